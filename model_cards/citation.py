"""How to cite an adapter: BibTeX entries for the papers of its method and for itself."""

import re

from zoo.manifest import AdapterManifest

TITLES = {
    "2305.18290": "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    "2401.10020": "Self-Rewarding Language Models",
    "2402.11411": "Aligning Modalities in Vision Large Language Models via Preference Fine-tuning",
    "2404.19733": "Iterative Reasoning Preference Optimization",
    "2405.15973": "Enhancing Visual-Language Modality Alignment in Large Vision Language Models via "
    "Self-Improvement",
    "2406.11839": "mDPO: Conditional Preference Optimization for Multimodal Large Language Models",
    "2406.19973": "STLLaVA-Med: Self-Training Large Language and Vision Assistant for Medical "
    "Question-Answering",
    "2410.14148": "Fine-Grained Verifiers: Preference Modeling as Next-token Prediction in Vision-Language "
    "Alignment",
    "2412.06141": "MMedPO: Aligning Medical Vision-Language Models with Clinical-Aware Multimodal Preference "
    "Optimization",
    "2503.02846": "Mask-DPO: Generalizable Fine-grained Factuality Alignment of LLMs",
    "2504.12083": "Self-alignment of Large Video Language Models with Refined Regularized Preference "
    "Optimization",
    "2601.17918": "Benchmarking Direct Preference Optimization for Medical Large Vision-Language Models",
    "2606.12590": "Analyzing and Improving Fine-grained Preference Optimization in Medical LVLMs",
}
"""Of the variants' papers, by arXiv number."""
_NUMBER = re.compile(r"arXiv[ :](\d{4}\.\d{4,5})")
_AUTHOR = re.compile(r"(\w[\w-]*) et al\. (\d{4})")


def bibtex(manifest: AdapterManifest) -> str:
    """Entries for the method's papers, as far as its citation names them, and for this adapter."""
    entries = [_paper(one) for one in manifest.variant.paper.split(";") if _NUMBER.search(one)]
    name = manifest.repo or f"{manifest.base.name}-{manifest.variant.name}"
    version = manifest.versions.get("medvlm-zoo", "")
    made = f"MedVLM Zoo{' ' + version if version else ''}, weights sha256 {manifest.weights_sha256}"
    entries.append(
        _entry(
            f"medvlm_zoo_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}",
            title=f"{name}: {manifest.identity}",
            year=manifest.created[:4],
            note=made,
        )
    )
    return "\n\n".join(entries)


def _paper(citation: str) -> str:
    """`Author et al. YEAR, arXiv NUMBER`, or a method's name in place of author and year."""
    found, author = _NUMBER.search(citation), _AUTHOR.search(citation)
    assert found is not None
    number = found[1]
    year = author[2] if author else f"20{number[:2]}"
    key = re.sub(r"[^a-z0-9]+", "", (author[1] if author else citation.split(",")[0]).lower()) + year
    said = {"author": f"{author[1]} and others"} if author else {}
    said |= {"title": TITLES[number]} if number in TITLES else {}
    return _entry(key, **said, year=year, eprint=number, archivePrefix="arXiv")


def _entry(key: str, **fields: str) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}\n}}"

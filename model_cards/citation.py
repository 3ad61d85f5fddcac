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


def bibtex(manifest: AdapterManifest) -> str:
    """Entries for the method's papers, and for this adapter of the zoo."""
    entries = [
        f"@misc{{{_key(who, year)},\n  author = {{{who} and others}},\n"
        f"{_titled(number)}  year = {{{year}}},\n  eprint = {{{number}}},\n  archivePrefix = {{arXiv}}\n}}"
        for who, year, number in _cited(manifest.variant.paper)
    ]
    name = manifest.repo or f"{manifest.base.name}-{manifest.variant.name}"
    version = manifest.versions.get("medvlm-zoo", "")
    said = [f"MedVLM Zoo{' ' + version if version else ''}", f"weights sha256 {manifest.weights_sha256}"]
    entries.append(
        f"@misc{{medvlm_zoo_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')},\n"
        f"  title = {{{name}: {manifest.identity}}},\n  year = {{{manifest.created[:4]}}},\n"
        f"  note = {{{', '.join(said)}}}\n}}"
    )
    return "\n\n".join(entries)


def _cited(paper: str) -> list[tuple[str, str, str]]:
    """First author or method, year and arXiv number of each paper in a citation."""
    found = []
    for one in paper.split(";"):
        number = re.search(r"arXiv[ :](\d{4}\.\d{4,5})", one)
        if number:
            who = re.search(r"(\w[\w-]*) et al\. (\d{4})", one)
            name, year = (who[1], who[2]) if who else (one.split(",")[0].strip(), f"20{number[1][:2]}")
            found.append((name, year, number[1]))
    return found


def _key(who: str, year: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", who.lower()) + year


def _titled(number: str) -> str:
    return f"  title = {{{TITLES[number]}}},\n" if number in TITLES else ""

"""Zhu et al. 2025, MMedPO: table 1 and, for reports, table 7."""

from zoo.evaluation.report.layouts import Layout, Part, Place

_VQA = (("SLAKE", "slake"), ("VQA-RAD", "vqa-rad"))
_REPORTS = (("IU-Xray", "iu-xray"), ("MIMIC-CXR", "mimic-cxr"))
_TEXT = (("ROUGE-L", "rouge_l"), ("METEOR", "meteor"))

LAYOUT = Layout(
    about="Zhu et al. 2025, arXiv 2412.06141",
    parts=(
        Part(
            title="MMedPO, table 1",
            places=(
                *(
                    Place(group, kind, metric, (name,), kind)
                    for group, name in _VQA
                    for kind, metric in (("open", "open_recall"), ("closed", "accuracy"))
                ),
                *(
                    Place(group, label, metric, (name,))
                    for group, name in _REPORTS
                    for label, metric in (("BLEU", "bleu"), *_TEXT)
                ),
            ),
            note="Open: recall of the truth's words. BLEU: the mean of BLEU-1 to BLEU-4.",
        ),
        Part(
            title="MMedPO, table 7",
            places=tuple(
                Place(group, label, metric, (name,))
                for group, name in _REPORTS
                for label, metric in (*((f"BL-{n}", f"bleu{n}") for n in (1, 2, 3, 4)), *_TEXT)
            ),
        ),
    ),
)

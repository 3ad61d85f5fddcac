"""Kim et al. 2026, Benchmarking DPO for medical LVLMs: tables 3 and 5, and VQA by data set."""

from zoo.evaluation.report.layouts import Layout, Part, Place

_VQA = ("slake", "vqa-rad", "path-vqa")

LAYOUT = Layout(
    about="Kim et al. 2026, arXiv 2601.17918",
    parts=(
        Part(
            title="Kim et al. 2026, table 3",
            places=(
                Place("VQA", "accuracy", "accuracy", _VQA),
                Place("captions, AMBOSS", "completeness", "completeness", ("amboss",)),
                Place("captions, AMBOSS", "contradiction", "contradiction", ("amboss",)),
                Place("reports, MIMIC-CXR", "completeness", "completeness", ("mimic-cxr",)),
                Place("reports, MIMIC-CXR", "contradiction", "contradiction", ("mimic-cxr",)),
            ),
            note="VQA is the mean of the data sets' accuracies, by the zoo's rule.",
        ),
        Part(
            title="Kim et al. 2026, VQA by data set",
            places=tuple(
                Place(group, kind, "accuracy", (name,), kind)
                for name, group in zip(_VQA, ("SLAKE", "VQA-RAD", "PathVQA"), strict=True)
                for kind in ("closed", "open")
            ),
        ),
        Part(
            title="Kim et al. 2026, table 5",
            places=(
                Place("VQA", "all", "accuracy", _VQA),
                *(
                    Place("VQA, pooled", kind, "accuracy", _VQA, kind, "micro")
                    for kind in ("MM", "SLC", "AM", "LAS")
                ),
            ),
            note="MM modality, SLC side and place, AM anatomy, LAS specificity, by the zoo's lexicon; the "
            "paper's list of words is not complete, so its subsets are others.",
        ),
    ),
)

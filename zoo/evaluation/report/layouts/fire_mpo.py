"""FiRe-MPO: VQA by data set, open answers by a judge as there and by rule, and IU-Xray's GREEN."""

from zoo.evaluation.report.layouts import Layout, Part, Place

LAYOUT = Layout(
    about="FiRe-MPO, arXiv 2606.12590",
    parts=(
        Part(
            title="FiRe-MPO, main results",
            places=(
                *(
                    Place(group, label, metric, (name,), kind)
                    for group, name in (("SLAKE", "slake"), ("VQA-RAD", "vqa-rad"))
                    for label, metric, kind in (
                        ("closed", "accuracy", "closed"),
                        ("open by judge", "judge_accuracy", "open"),
                        ("open by rule", "accuracy", "open"),
                    )
                ),
                Place("IU-Xray", "GREEN", "green", ("iu-xray",)),
            ),
            note="The paper has GPT-4o-mini judge closed and open answers; closed ones are by rule here. Its "
            "authors call gaps under 3 points directional.",
        ),
    ),
)

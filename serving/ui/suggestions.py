"""Questions to begin with, by the modality of the picture: modality, plane, organ, side, finding, report.

The wording is this project's own. Of the phantom base it is that of its training questions, since it knows no
other words. Knows no page.
"""

_FIRST = "What imaging modality is this?"
_REPORT = "Describe the image in a short report."

_CT = (
    _FIRST,
    "In which plane is this slice?",
    "Which organs are shown?",
    "Was contrast agent given?",
    "Is there an abnormality, and on which side?",
    "Is there free fluid or free air?",
    "Is the bone intact where it is shown?",
    _REPORT,
)
_MR = (
    _FIRST,
    "Which sequence or weighting is this?",
    "In which plane is this slice?",
    "Which organ is shown?",
    "Is there an area of abnormal signal, and on which side?",
    "Is there swelling or a shift of the midline?",
    _REPORT,
)
_XRAY = (
    _FIRST,
    "Which projection is this: frontal or lateral?",
    "Which part of the body is shown?",
    "Is there an abnormality, and on which side?",
    "Is there a pleural effusion or a pneumothorax?",
    "Is the heart enlarged?",
    "Which tubes, lines or devices are shown?",
    _REPORT,
)
_ULTRASOUND = (
    _FIRST,
    "In which plane was this taken?",
    "Which organ is shown?",
    "Is this the left or the right side?",
    "Is there a lesion, and is it solid or a cyst?",
    "Is there free fluid?",
    _REPORT,
)
_OTHER = (
    "What kind of image is this?",
    "In which plane or from which direction was it taken?",
    "Which organ or part of the body is shown?",
    "Is there an abnormality?",
    "On which side is the abnormality?",
    "What is the most striking finding?",
    _REPORT,
)
_PHANTOM = (
    _FIRST,
    "Which organ is shown?",
    "What is the main finding?",
    "Is the finding a nodule?",
    "On which side is the nodule?",
    "In which zone of the left lung is the nodule?",
    "How large is the nodule?",
    "Report this study.",
)
_BY_MODALITY = {
    "CT": _CT,
    "MR": _MR,
    **dict.fromkeys(("CR", "DX", "RG", "RF"), _XRAY),
    **dict.fromkeys(("US", "IVUS"), _ULTRASOUND),
}


def suggestions(modality: str, *, base: str) -> tuple[str, ...]:
    """Six to eight questions about a picture of this modality (as `zoo.images.Scan` says it; empty: not
    known), for the base of this name."""
    return _PHANTOM if base == "phantom" else _BY_MODALITY.get(modality, _OTHER)

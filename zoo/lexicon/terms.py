"""The lexicon's lists: groups of mutually exclusive clinical terms, by error type.

The lists are representative, not complete. Error types after Kim et al. 2026, appendix E. A broad parent
("lung") is no sign of a place that is too broad: that shows only beside a finer truth, so only fine terms
count as LAS.
"""

from dataclasses import dataclass

from zoo.records import ErrorType

Term = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Terms of which a true statement holds one and not another."""

    name: str
    error_types: tuple[ErrorType, ...]
    terms: tuple[Term, ...]
    family: str = ""
    """Terms of groups of one family exclude each other as well; empty: the group stands alone."""
    broad: tuple[str, ...] = ()
    """For fine places: the broad parent of each term, which says too little."""


def _terms(*spellings: str) -> tuple[Term, ...]:
    return tuple(tuple(s.split("|")) for s in spellings)


NAMES = (
    "basal ganglia", "basal ganglion", "basilar artery", "basilar arterial", "basal cistern",
    "basal cisterns", "femoral head", "femoral heads", "femoral neck", "humeral head", "pancreatic head",
)  # fmt: skip
"""Names of structures that hold words for a place or an organ in another sense: no terms."""
_SEGMENTS = tuple((f"S{n}", f"segment {n}") for n in range(1, 11))

# Organs are spelled noun | plural | adjective, so that a swap keeps the form; those that come singly stand
# twice.
GROUPS: tuple[Group, ...] = (
    Group("modality", ("MM",), _terms(
        "x-ray|xray|x ray|x-rays|radiograph|radiography|plain film|CXR", "CT|computed tomography|CT scan",
        "MRI|MR|magnetic resonance imaging|magnetic resonance",
        "ultrasound|sonography|ultrasonography|sonogram|US|echo|echocardiography",
        "PET|positron emission tomography", "SPECT", "angiography|angiogram", "fluoroscopy",
        "mammography|mammogram", "fundus photography|fundus|fundoscopy", "dermatoscopy|dermoscopy",
        "endoscopy", "colonoscopy", "gastroscopy", "bronchoscopy", "microscopy|micrograph|histology",
        "OCT|optical coherence tomography", "clinical photograph|photograph",
    )),
    Group("MR sequence", ("MM",), _terms(
        "T1|T1-weighted", "T2|T2-weighted", "FLAIR", "DWI|diffusion-weighted", "SWI", "GRE|gradient echo",
    )),
    Group("stain", ("MM",), _terms("H&E|hematoxylin and eosin", "PAS", "IHC|immunohistochemistry")),
    Group("chest organ", ("AM",), _terms(
        "lung|lungs|pulmonary", "heart|heart|cardiac", "pleura|pleura|pleural",
        "mediastinum|mediastinum|mediastinal", "diaphragm|diaphragm|diaphragmatic", "rib|ribs|costal",
        "clavicle|clavicles|clavicular", "trachea|trachea|tracheal", "aorta|aorta|aortic",
        "esophagus|oesophagus|esophageal", "spine|spine|spinal", "breast|breasts|mammary",
    ), family="organ"),
    Group("abdominal organ", ("AM",), _terms(
        "liver|liver|hepatic", "spleen|spleen|splenic", "kidney|kidneys|renal",
        "adrenal gland|adrenal glands|adrenal", "pancreas|pancreas|pancreatic", "stomach|stomach|gastric",
        "small bowel|bowel|intestine", "colon|colon|colonic", "rectum|rectum|rectal",
        "bladder|bladder|vesical", "gallbladder", "duodenum|duodenum|duodenal", "uterus|uterus|uterine",
        "ovary|ovaries|ovarian", "prostate|prostate|prostatic",
    ), family="organ"),
    Group("head organ", ("AM",), _terms(
        "brain|brain|cerebral", "cerebellum|cerebellum|cerebellar", "ventricle|ventricles|ventricular",
        "orbit|orbits|orbital|eye|eyes", "sinus|sinuses|sinusal", "nasal septum|septum",
        "tonsil|tonsils|tonsillar", "pharynx|pharynx|pharyngeal", "larynx|larynx|laryngeal",
        "brainstem|brain stem", "thyroid",
    ), family="organ"),
    Group("limb or skin", ("AM",), _terms(
        "arm|arms", "leg|legs", "hand|hands", "foot|feet", "shoulder|shoulders", "elbow|elbows",
        "wrist|wrists", "hip|hips", "knee|knees", "ankle|ankles", "femur|femurs|femoral",
        "humerus|humeri|humeral", "tibia|tibias|tibial", "skin|skin|cutaneous",
    ), family="organ"),
    Group("lobe", ("AM",), _terms("lobe|lobes|lobar")),
    Group("region", ("AM",), _terms(
        "chest|thorax|thoracic", "abdomen|abdomen|abdominal", "head|skull|cranial", "neck|neck|cervical",
        "pelvis|pelvis|pelvic", "upper limb|upper extremity", "lower limb|lower extremity",
    )),
    Group("side", ("SLC",), _terms(
        "left|left-sided", "right|right-sided", "bilateral|both|both sides|bilaterally",
    )),
    # A third of an organ is a place, and finer than the organ.
    Group("height", ("SLC", "LAS"), _terms("upper", "middle|mid|central", "lower")),
    Group("superior", ("SLC",), _terms("superior", "inferior")),
    Group("front", ("SLC",), _terms("anterior", "posterior")),
    Group("depth", ("SLC",), _terms("medial", "lateral")),
    Group("apex", ("SLC",), _terms("apical|apex", "basal|base|basilar")),
    Group("lobe of the lung", ("SLC", "LAS"), _terms(
        "RUL|right upper lobe", "RML|right middle lobe", "RLL|right lower lobe",
        "LUL|left upper lobe", "LLL|left lower lobe",
    ), broad=("right lung", "right lung", "right lung", "left lung", "left lung")),
    Group("lobe of the liver", ("SLC", "LAS"), _terms(
        "right hepatic lobe|right lobe of the liver", "left hepatic lobe|left lobe of the liver",
    ), broad=("liver", "liver")),
    Group("hemithorax", ("SLC", "LAS"), _terms("right hemithorax", "left hemithorax"),
          broad=("chest", "chest")),
    Group("lobe of the brain", ("LAS",), _terms(
        "frontal lobe|frontal", "parietal lobe|parietal", "temporal lobe|temporal",
        "occipital lobe|occipital",
    ), broad=("brain",) * 4),
    Group("sinus", ("LAS",), _terms(
        "maxillary sinus|maxillary sinuses", "frontal sinus|frontal sinuses",
        "sphenoid sinus|sphenoid sinuses", "ethmoid sinus|ethmoid sinuses",
    ), broad=("sinus",) * 4),
    Group("quadrant", ("SLC", "LAS"), _terms(
        "RUQ|right upper quadrant", "LUQ|left upper quadrant",
        "RLQ|right lower quadrant", "LLQ|left lower quadrant",
    ), broad=("abdomen",) * 4),
    Group("segment", ("LAS",), _SEGMENTS),
    Group("pole", ("SLC", "LAS"), _terms("upper pole", "interpolar region", "lower pole")),
    Group("finding", (), _terms(
        "nodule|nodules", "mass|masses", "cyst|cysts", "effusion|effusions", "consolidation|consolidations",
        "pneumothorax", "pneumonia", "atelectasis", "cardiomegaly", "edema|oedema",
        "hemorrhage|haemorrhage", "infarct|infarction", "opacity|opacities", "emphysema", "stone|stones",
        "tumor|tumour|cancer", "fracture|fractures", "abscess", "calcification|calcifications|calcified",
    )),
    Group("abnormality", (), _terms(
        "abnormality|abnormalities|abnormal finding|abnormal findings|lesion|lesions",
    )),
    Group("state", (), _terms("normal|healthy|unremarkable", "abnormal|diseased|unhealthy")),
    Group("size", (), _terms("small|tiny", "medium|moderate", "large|big")),
    Group("plane", (), _terms("axial", "coronal", "sagittal")),
    Group("answer", (), _terms("yes", "no")),
)  # fmt: skip

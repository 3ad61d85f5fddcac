"""STLLaVA-Med: learn to answer and to ask, then DPO over the better of two own answers to own questions."""

from training.grid import Branch
from training.objective import Imitate, Prefer
from training.pairs.ask_questions import AskQuestions
from training.pairs.pick_better import PickBetter
from training.variant import Numbers, Variant

PAPER = "Sun et al. 2024, arXiv 2406.19973"

VARIANT = Variant(
    title="STLLaVA-Med",
    paper=PAPER,
    earlier=(
        Variant(
            title="STLLaVA-Med, stage 1",
            paper=PAPER,
            objective=(Imitate(Branch.CHOSEN), Imitate(Branch.QUESTION)),
            numbers=Numbers(learning_rate=2e-6),
        ),
    ),
    objective=(Prefer(Branch.CHOSEN, over=Branch.REJECTED_RESPONSE),),
    steps=(AskQuestions(), PickBetter()),
    numbers=Numbers(learning_rate=5e-6, epochs=1),
    departures=(
        "A base that cannot ask or judge takes the data set's questions and the rule-based judge.",
        "The first stage's learning rate is that of SFT; answer and question each count as a mean over their "
        "tokens.",
    ),
)

"""The pass that gradients are asked of leaves nothing behind."""

from tests.benchmarks._flops import counted
from zoo.bases import get_base
from zoo.datasets import QuestionSet
from zoo.vlm.gradients import gradient_pass
from zoo.vlm.head import target_logps
from zoo.vlm.lora import LoraSpec, TrainableLora
from zoo.vlm.model import load_base
from zoo.vlm.shared import SharedRow, predict


def test_a_checkpointed_pass_leaves_no_hook_and_a_plain_one_does_as_much_as_before(
    questions: QuestionSet,
) -> None:
    vlm = load_base(get_base("phantom"))
    lora = TrainableLora(vlm, LoraSpec(r=4, alpha=8), seed=0)
    question = questions.questions[0]
    image = vlm.encode_images([questions.open_image(question.images[0])])
    row = SharedRow(image, vlm.prompt_ids(question.prompt, image), [vlm.response_ids("no")])

    def run(*, checkpointing: bool) -> None:
        with gradient_pass(vlm, checkpointing=checkpointing):
            found = predict(vlm, [row])
            target_logps(vlm, found.hidden, found.targets).sum().backward()

    before = counted(lambda: run(checkpointing=False))
    assert counted(lambda: run(checkpointing=True)) > before
    assert counted(lambda: run(checkpointing=False)) == before
    lora.remove()
    language = vlm.model.model.language_model
    assert not language.get_input_embeddings()._forward_hooks
    assert not any(module.training for module in vlm.model.modules())

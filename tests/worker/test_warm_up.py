from tests.tiny_checkpoint import TinyPipeline
from worker.warm_up import warm_up


def test_a_loaded_model_is_timed_at_its_own_size(pipeline: TinyPipeline) -> None:
    shapes: list[tuple[int, ...]] = []
    hook = pipeline.family.denoiser.register_forward_pre_hook(
        lambda _module, inputs: shapes.append(tuple(inputs[0].shape))
    )

    costs = warm_up(pipeline, 8)

    hook.remove()
    edge = pipeline.card.native_size // pipeline.family.vae_scale_factor
    assert {shape[2:] for shape in shapes} == {(edge, edge)}
    assert {1, 2, 4, 8} <= {shape[0] for shape in shapes}
    assert 0 < costs.seconds(1) <= costs.seconds(8)

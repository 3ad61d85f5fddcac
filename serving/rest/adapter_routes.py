"""The routes of adapters: which there are, and loading and unloading them at run time, as vLLM spells it.

Who may do that is not decided here.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import ConfigDict, Field

from serving.core.requests import BASE
from serving.rest.adapter_replies import AdapterReply, AdaptersReply
from serving.rest.bodies import RequestBody, read_json
from serving.rest.chat_replies import ModelReply, ModelsReply
from serving.rest.documents import error_replies, request_body
from serving.rest.samples import ADAPTERS, LOADED, MODEL, MODELS, UNLOADED
from serving.rest.streams import unless_gone
from serving.service import Service

_LOOKING = error_replies()
_FINDING = error_replies(404, 422, 502, 504)
_LOADING = error_replies(404, 409, 422, 502, 504)


class LoadBody(RequestBody):
    """An adapter to load, and the name to ask for it by."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lora_name": "mdpo-v2", "lora_path": "local/phantom-mdpo@v2"}]}
    )

    lora_name: str = Field(description="The alias: letters, digits, dots, dashes and underscores.")
    lora_path: str = Field(description="`repo` or `repo@revision` on the server's Hub.")
    load_inplace: bool = Field(default=False, description="Replace what the alias stands for.")


class UnloadBody(RequestBody):
    """An alias to take away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lora_name": "mdpo-v2"}]})

    lora_name: str
    lora_int_id: int | None = Field(default=None, description="Taken and passed over: the name decides.")


def adapter_routes(service: Service) -> APIRouter:
    """The routes of one service."""
    router = APIRouter(tags=["adapters"])

    @router.get("/v1/models", responses={**_LOOKING, 200: {"content": MODELS}})
    async def models() -> ModelsReply:
        """The base, and every adapter with an alias, as OpenAI lists models."""
        listed = [ModelReply.of(one) for one in await service.listed()]
        return ModelsReply(data=[ModelReply.of_base(service.base), *listed])

    @router.get("/v1/models/{id:path}", responses={**_FINDING, 200: {"content": MODEL}})
    async def model(id: Annotated[str, Path(max_length=300, examples=["mdpo"])]) -> ModelReply:
        """One model by its alias, `repo`, `repo@revision`, or `base`."""
        if id == BASE:
            return ModelReply.of_base(service.base)
        return ModelReply.of(await service.find(id))

    @router.get("/v1/adapters", responses={**_LOOKING, 200: {"content": ADAPTERS}})
    async def adapters() -> AdaptersReply:
        """The base, and every adapter that has an alias here, with its state and scores."""
        listed = [AdapterReply.of(one) for one in await service.listed()]
        return AdaptersReply(base=service.base.pinned, adapters=listed)

    @router.post(
        "/v1/load_lora_adapter",
        response_class=Response,
        responses={**_LOADING, 200: {"content": LOADED}},
        openapi_extra=request_body(LoadBody),
    )
    async def load(request: Request) -> PlainTextResponse:
        """Bring an adapter here, load it with every check, and only then let a name stand for it.

        Needs the role admin; no pattern of the operator has to allow the repo. The name follows its branch,
        as those do that were given at the start.
        """
        body = await read_json(request, LoadBody)
        loading = service.load(body.lora_name, body.lora_path, replace=body.load_inplace)
        await unless_gone(request, loading)
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    @router.post(
        "/v1/unload_lora_adapter",
        response_class=Response,
        responses={**_LOADING, 200: {"content": UNLOADED}},
        openapi_extra=request_body(UnloadBody),
    )
    async def unload(request: Request) -> PlainTextResponse:
        """Take a name away, and empty its adapter's slot once the answers under way have ended.

        Needs the role admin.
        """
        body = await read_json(request, UnloadBody)
        await unless_gone(request, service.unload(body.lora_name))
        return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    return router

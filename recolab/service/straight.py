"""The short way for the paths that are asked all day: from a request to its function without what FastAPI does between them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, get_origin
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from recolab.service.key import KEY_HEADER, Key

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Straight(APIRoute):
    """A route of one argument, a model that a body or a query is read into in one step.

    What does not fit, or has not the key, goes FastAPI's own way instead, which says why: such a path is documented, and
    refuses, as any other.
    """

    def get_route_handler(self) -> Handler:
        """Make the short way, with the long one behind it."""
        long_way, endpoint = super().get_route_handler(), self.endpoint
        keys = [one.dependency for one in self.dependencies if isinstance(one.dependency, Key)]
        if len(keys) < len(self.dependencies):
            raise TypeError(f"{self.path}: the short way asks for a Key and for nothing else")
        [argument] = inspect.signature(endpoint, eval_str=True).parameters.values()
        read = _query_reader(argument.annotation) if self.body_field is None else _body_reader(argument.annotation)

        async def short_way(request: Request) -> Response:
            try:
                asked = await read(request) if all(key.opens(request.headers.get(KEY_HEADER)) for key in keys) else None
            except ValidationError:
                asked = None
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            if asked is None:
                return await long_way(request)
            answer = await endpoint(asked)
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        return short_way


def _body_reader(model: type[BaseModel]) -> Callable[[Request], Coroutine[Any, Any, BaseModel | None]]:
    async def read(request: Request) -> BaseModel | None:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return None
        return model.model_validate_json(await request.body())

    return read


def _query_reader(annotation: Any) -> Callable[[Request], Coroutine[Any, Any, BaseModel | None]]:
    model: type[BaseModel] = getattr(annotation, "__origin__", annotation)  # of Annotated[model, Query()]
    many = {name for name, field in model.model_fields.items() if _is_list(field.annotation)}

    async def read(request: Request) -> BaseModel | None:
        return model.model_validate(_gathered(request.scope["query_string"], many))

    return read


def _gathered(query: bytes, many: set[str]) -> Mapping[str, Any]:
    """Gather a query's values by name: of `many` all, of others the last, as FastAPI does."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in many:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(
        get_origin(part) is list for part in getattr(annotation, "__args__", ())
    )

"""`/api/search`: detections ranked by words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from pydantic import Field, StringConstraints

from edgeclip.errors import SetupError
from edgeclip_dashboard.filters import DetectionFilter
from edgeclip_dashboard.text_encoder import MOST_LETTERS
from edgeclip_dashboard.word_search import Hit, WordSearch

MOST_HITS = 1000

Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_LETTERS)
]


class SearchQuery(DetectionFilter):
    """A filter, and the words that rank what it leaves in."""

    words: Words
    limit: int = Field(50, ge=1, le=MOST_HITS)

    @property
    def shown(self) -> DetectionFilter:
        """The filter alone."""
        return DetectionFilter.model_validate(self.model_dump(exclude={"words", "limit"}))


def add_search_route(app: FastAPI, search: WordSearch) -> None:
    """Add `/api/search`: 503 with the reason while there is no text encoder."""

    @app.get("/api/search")
    def by_words(query: Annotated[SearchQuery, Query()]) -> dict[str, Any]:
        try:
            found = search.find(query.words, query.shown, query.limit)
        except SetupError as error:
            raise HTTPException(503, str(error)) from error
        return {
            "words": query.words,
            "encoder": found.encoder.model_dump(),
            "searched": found.searched,
            "of_other_encoders": found.of_others,
            "hits": [_as_json(hit) for hit in found.hits],
        }


def _as_json(hit: Hit) -> dict[str, Any]:
    media = [asdict(one) | {"url": one.url} for one in hit.view.media]
    return {"similarity": round(hit.similarity, 4), **asdict(hit.view), "media": media}

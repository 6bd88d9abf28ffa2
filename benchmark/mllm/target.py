"""An MLLM as a target: the question around the pair, its answer read, its score where it gives one."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmark.judgement import Judgement, TargetInfo
from benchmark.mllm.asking import Asker, Asking, GivenUp, NoAnswer, Request
from benchmark.mllm.calling import Answered, Caller
from guard import Pair
from guard.errors import ImageRejected
from guard.mllm.answers import Answer, Kind, read_answer
from guard.mllm.pictures import is_picture
from guard.mllm.questions import Style, ask
from guard.mllm.yes_no import share_of_samples

NOT_SCORED = "not_scored"  # a threshold decides, and there is no score
CODES: Mapping[Kind, str] = {
    kind: f"answer_{kind.value}" for kind in (Kind.PROSE, Kind.REFUSED, Kind.UNPARSABLE, Kind.EMPTY)
}


class MllmTarget:
    """A model that is asked whether a pair is safe."""

    def __init__(self, spec: str, asker: Asker, asking: Asking, caller: Caller | None = None) -> None:
        self._asker, self._asking = asker, asking
        self._caller = Caller(asker, asking) if caller is None else caller
        # As it stands for a pair of text and picture; the sentence's place is left open.
        asked = ask("{sentence}", has_picture=True, style=asker.style, mitigation=asking.mitigation)
        details: dict[str, str | float | None] = {
            **asker.facts,
            "question": asked.text if asker.style is Style.YES_NO else "the pair itself",
            "system": asked.system,
            "answer_rule": "starts with Yes or No" if asker.style is Style.YES_NO else "starts with safe or unsafe",
            "mitigation": asking.mitigation.value,
            "samples": asking.samples,
        }
        self.info = TargetInfo(spec, spec, threshold=asking.threshold, details=details)

    @property
    def concurrency(self) -> int:
        """As many as the model takes at once."""
        return self._asker.concurrency

    async def judge(self, pair: Pair) -> Judgement:
        """Return what the model says. An answer that is none is no verdict, and has its own code."""
        question = ask(
            pair.text, has_picture=bool(pair.images), style=self._asker.style, mitigation=self._asking.mitigation
        )
        pictures = tuple(image.data for image in pair.images if image.data is not None)
        if not await asyncio.to_thread(lambda: all(map(is_picture, pictures))):
            return Judgement(None, code=ImageRejected.code)
        requests = [Request(question, pictures, sample) for sample in range(self._asking.samples)]
        answered: list[Answered] = []
        try:
            for request in requests:
                answered.append(await self._caller.reply(request))  # noqa: PERF401 - those before a failure count
        except NoAnswer as error:
            paid = _without_verdict([each for each in answered if not each.is_cached], error.code)
            return replace(paid, failed=isinstance(error, GivenUp), requests=paid.requests + error.requests)
        return self._read(answered)

    async def close(self) -> None:
        """Close the model."""
        await self._asker.close()

    def _read(self, answered: Sequence[Answered]) -> Judgement:
        replies = [each.reply for each in answered]
        answers = [read_answer(reply.text, self._asker.style, is_refused=reply.is_refused) for reply in replies]
        probability = replies[0].probability
        kind, strict, lenient = answers[0].kind, answers[0].strict, answers[0].lenient
        if len(answers) > 1:
            kind, strict, lenient, probability = _of_samples(answers)
        unsafe, code = strict, CODES.get(kind)
        threshold = self._asking.threshold
        if threshold is not None:
            unsafe = None if probability is None else probability >= threshold
            code = NOT_SCORED if probability is None else None
        return replace(
            _without_verdict(answered, NOT_SCORED),
            unsafe=unsafe,
            probability=probability,
            code=code,
            answer=kind.value,
            lenient=lenient,
            served_by=replies[0].served_by,
            asked_ms=sum(reply.latency_ms for reply in replies),
        )


def _without_verdict(answered: Sequence[Answered], code: str) -> Judgement:
    """Return what replies took, whatever they say."""
    replies = [each.reply for each in answered]
    prices = [reply.cost_usd for reply in replies]
    return Judgement(
        None,
        code=code,
        requests=sum(each.requests for each in answered),
        is_cached=bool(answered) and all(each.is_cached for each in answered),
        tokens_in=sum(reply.tokens_in for reply in replies),
        tokens_out=sum(reply.tokens_out for reply in replies),
        cost_usd=None if not prices or None in prices else sum(price for price in prices if price is not None),
    )


def _of_samples(answers: Sequence[Answer]) -> tuple[Kind, bool | None, bool | None, float | None]:
    """Return kind, strict and lenient verdict of the majority, and the share of "unsafe"; a draw is unsafe."""
    share = share_of_samples([answer.strict for answer in answers])
    lenient = share_of_samples([answer.lenient for answer in answers])
    if share is not None:
        kind = Kind.UNSAFE if share >= 0.5 else Kind.SAFE
    else:
        kind = Counter(answer.kind for answer in answers if answer.strict is None).most_common(1)[0][0]
    return kind, _half(share), _half(lenient), share


def _half(share: float | None) -> bool | None:
    return None if share is None else share >= 0.5

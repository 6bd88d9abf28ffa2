"""Run the task with Inspect's mock model, whose answers come from a file, and print metrics and metadata: for the test.

python integrations/inspect/mock_run.py SUITE ANSWERS.json LOGS
"""

import json
import sys
from pathlib import Path

from inspect_ai import eval as evaluate
from inspect_ai.model import ChatMessage, GenerateConfig, ModelOutput, ModelUsage, get_model
from inspect_ai.tool import ToolChoice, ToolInfo

sys.path.insert(0, str(Path(__file__).parents[2]))  # no installed package: `inspect eval` loads the task's file
from integrations.inspect.guard_suite import guard_suite


def main(suite: str, answers: str, logs: str) -> None:
    """Evaluate; the answers are found by the text that they answer."""
    by_text: dict[str, str] = json.loads(Path(answers).read_text(encoding="utf-8"))

    def answer(
        messages: list[ChatMessage], tools: list[ToolInfo], choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        asked = messages[-1].text
        said = next(said for text, said in by_text.items() if f'"{text}"' in asked)
        output = ModelOutput.from_content("mockllm/model", said)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # it would download a tokenizer
        return output

    (log,) = evaluate(
        guard_suite(suite), model=get_model("mockllm/model", custom_outputs=answer), log_dir=logs, display="none"
    )
    if log.results is None:
        raise SystemExit(f"{log.status}: {log.error.message if log.error else ''}")
    metrics = {name: metric.value for name, metric in log.results.scores[0].metrics.items()}
    print(json.dumps({**metrics, "metadata": log.eval.metadata}))


if __name__ == "__main__":
    main(*sys.argv[1:])

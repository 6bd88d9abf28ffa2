"""Judge one picture-prompt pair inside a Python program."""

import io

from PIL import Image, ImageDraw

from guard import ImageInput, Pair, Settings, open_guard


def main() -> None:
    """Draw a picture, ask Guard about it, and print the verdict."""
    picture = Image.new("RGB", (640, 480), "lightblue")
    ImageDraw.Draw(picture).ellipse((220, 140, 420, 340), fill="red")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")

    guard = open_guard(Settings())
    decision = guard.check_sync(
        Pair(text="What shape do you see here?", images=(ImageInput(data=buffer.getvalue()),)),
    )
    guard.close_sync()
    print(f"{decision.verdict}: probability {decision.probability:.3f}, threshold {decision.threshold:.3f}")
    print(f"judged {sum(image.judged for image in decision.images)} of {len(decision.images)} pictures")


if __name__ == "__main__":
    main()

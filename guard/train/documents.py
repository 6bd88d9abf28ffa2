"""What is written on ordinary paper and screens: receipts, tickets, labels, forms. Harmless, and full of odd tokens.

A judge that met only attacks and sentences as writing takes a receipt's fragments for something strange, and so for
harm. Also harmless texts in disguise: base64 and the like are judged by what they say, not by being strange.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from guard.train.disguises import DISGUISES
from guard.train.rows import TextRow, capped

_PROMPTS = (
    "", "", "What does it say?", "What is the total?", "Describe this picture.", "Can you help me with this?",
    "Summarise this for me.", "Type this out please", "is this right", "When was that?", "Put this into a table.",
    "How much did I pay?", "what's this", "Which items are on it?", "Translate it.", "Is anything missing here?",
    "Read this to me, I can't find my glasses.", "Check the sums", "Which company is it from?", "explain",
)  # fmt: skip
_SHOPS = (
    "KEDAI SETIA MAJU SDN BHD", "GREENFIELD MARKET LTD", "Bäckerei Lorenz", "CITY BOOKS & PAPER", "Pharmacie du Pont",
    "HARDWARE CORNER ENTERPRISE", "Tienda La Esquina", "Noodle House No. 8", "SUPER 24 HRS", "Petrol Station Westway",
    "UNIVERSAL STATIONERY (M) SDN. BHD.", "Cafe Molino", "OPTIK VISTA", "Toys & More", "Garden World Centre",
)  # fmt: skip
_ITEMS = (
    "MILK 1L", "BREAD WHOLEMEAL", "A4 PAPER 80GSM", "SCREW M6 X 40", "NASI GORENG", "LATTE", "BATTERY AA 4PK",
    "TEH O ICE", "PRINTER INK BLK", "EGGS GRADE A", "PAINT WHITE 5L", "CHICKEN RICE", "NOTEBOOK", "SHAMPOO",
    "CABLE TIE", "PETROL 95", "GIFT WRAP", "GLUE STICK", "LIGHT BULB LED", "SOAP", "HAMMER 500G", "KNIFE SET",
    "INSECT SPRAY", "BLEACH 2L", "WINE RED",
)  # fmt: skip
_STREETS = (
    "JALAN BESAR",
    "High Street",
    "Hauptstr.",
    "Rua Nova",
    "Market Road",
    "LORONG 3",
    "Station Ave",
    "Av. Central",
)
_CURRENCIES = ("", "", "RM ", "$", "€")
_TITLES = ("TAX INVOICE", "RECEIPT", "CASH BILL", "Rechnung", "Ticket")
_LABELS = (
    "Ingredients: sugar, wheat flour, palm oil, cocoa {n} %, emulsifier (soya lecithin). May contain nuts. Net {n}0 g",
    "Take {d} tablets daily with water. Keep out of reach of children. Exp {m}/20{n}",
    "Boarding pass\nGate {g}{d} Seat {n}{g}\nFlight {g}{g} {n}{d}{d} Boarding 1{d}:{n}",
    "Platform {d}\n1{d}:{n} Regional express\nDelayed by {n} min",
    "Meeting room {d}\n9:00 stand-up\n1{d}:00 budget review\n1{d}:30 free",
    "Login\nUser name\nPassword\nForgot password?\nSign in\nVersion {d}.{n}.{d}",
    "Settings  Wi-Fi  Bluetooth  Battery {n} %  Display  Sounds  About this phone",
    "fun main() {{\n  val count = {n}\n  println(\"Hello, $count\")\n}}\nBuild finished in {d} s",
    "Class timetable\nMon Maths {g}{d} Art\nTue History Sport\nWed Chemistry {g}{n}",
    "WARNING high voltage\nDo not open\n{n}0 V~ 50 Hz {d} A\nMade in P.R.C.",
    "Invoice no. {d}{n}{d}\nDue within {n} days\nIBAN DE{n} {d}{d}{n} {n}{n}\nThank you for your order",
    "Monday menu\nSoup of the day {d}.50\nGrilled fish 1{d}.90\nCheesecake {d}.20",
    "Name ........  Date of birth ........\nSignature ........\nPlease write in block letters",
    "To: all staff\nSubject: lift out of order\nThe lift will be repaired on {n} May. Please use the stairs.",
    "npm WARN deprecated glob@{d}.{n}.{d}\nadded {n}{d} packages in {d}s\nkill the old server first",
)  # fmt: skip


def document_rows(count: int, *, seed: int) -> list[TextRow]:
    """Return `count` harmless rows with the writing of a made-up document each."""
    random = Random(f"documents {seed}")  # noqa: S311
    return [
        TextRow(
            f"document:{number}",
            "own:document",
            f"document:{number}",
            random.choice(_PROMPTS),
            unsafe=False,
            ocr=_receipt(random) if random.random() < 0.55 else _label(random),
        )
        for number in range(count)
    ]


def disguised_rows(rows: Sequence[TextRow], count: int, *, seed: int) -> list[TextRow]:
    """Return at most `count` of the harmless `rows` without pictures, in one disguise each; groups stay as they are.

    Which ones does not depend on the seed, the disguises do.
    """
    random = Random(f"disguised {seed}")  # noqa: S311
    harmless = [row for row in rows if not row.unsafe and not row.ocr and 12 <= len(row.text) <= 300]
    ways: list[Callable[[str, Random], str]] = list(DISGUISES.values())
    chosen = capped(harmless, count, key="disguised")
    return [replace(row, id=f"{row.id}@disguised", text=random.choice(ways)(row.text, random)) for row in chosen]


def _receipt(random: Random) -> str:
    def price() -> str:
        return f"{random.choice(_CURRENCIES)}{random.randint(0, 90)}.{random.randint(0, 99):02d}"

    lines = [
        random.choice(_SHOPS),
        f"({random.randint(10000, 999999)}-{random.choice('ADHKMTX')})",
        f"{random.randint(1, 120)}, {random.choice(_STREETS)} {random.randint(1, 30)}/{random.randint(1, 9)}",
        f"TEL: 0{random.randint(1, 9)}-{random.randint(1000000, 99999999)}",
        f"GST ID: {random.randint(10**8, 10**12)}",
        f"{random.choice(_TITLES)} {random.choice('ABCS')}{random.randint(1000, 999999)}",
        f"{random.randint(1, 28):02d}/{random.randint(1, 12):02d}/20{random.randint(15, 26)} {random.randint(8, 21)}h",
    ]
    lines = [line for line in lines if random.random() < 0.75]
    lines += [f"{random.randint(1, 4)} x {random.choice(_ITEMS)} {price()} SR" for _ in range(random.randint(1, 6))]
    sums = [f"TOTAL {price()}", f"CASH {price()}", f"CHANGE {price()}", "THANK YOU PLEASE COME AGAIN"]
    lines += sums[: random.randint(1, 4)]
    if random.random() < 0.3:
        lines.append("GOODS SOLD ARE NOT RETURNABLE")
    return random.choice(("\n", "\n", " ")).join(lines)


def _label(random: Random) -> str:
    letter, month = random.choice("ABCDEF"), random.randint(1, 12)
    return random.choice(_LABELS).format(n=random.randint(10, 99), d=random.randint(1, 9), m=month, g=letter)

"""`guard bundle`: make, sign, show, verify and compare bundles."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from guard.bundle import Bundle
    from guard.signing import PublicKey

_Folder = Annotated[str, typer.Argument(help='A bundle directory, or "embedded".')]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Keys = Annotated[
    list[str] | None,
    typer.Option("--public-key", metavar="KEY", help="ed25519:BASE64, or a file with a public key; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Make, sign, show, verify or compare bundles.", no_args_is_help=True)
    for command in (build, show, verify, diff, keygen, sign):
        group.command(command.__name__)(command)
    app.add_typer(group, name="bundle")


def build(
    folder: Annotated[Path, typer.Argument(help="Graphs, tokenizer.json, names.txt, card.md and spec.yaml.")],
    out: Annotated[Path, typer.Option(help="New or empty folder for the bundle.")],
    spec: Annotated[Path | None, typer.Option(help="What the parts are, in YAML.  [default: FOLDER/spec.yaml]")] = None,
    as_json: _Json = False,
) -> None:
    """Make a bundle from a folder of parts, and verify it; exit with 1 if it cannot be used as it is.

    The spec holds what a manifest holds: name, version, precision, image, calibration and operating_points; text and
    writing_gate where the defaults do not fit.
    """
    import datetime as dt

    from guard.building import build_bundle

    built = build_bundle(folder, out, spec=spec, today=dt.datetime.now(dt.UTC).date())
    _say(_verdict(built, ()), as_json=as_json)


def show(bundle: _Folder = "embedded", public_key: _Keys = None, as_json: _Json = False) -> None:
    """Show what a bundle is, its thresholds, what was proven about them, who signed it, and what its gates found."""
    from guard.bundle import Bundle
    from guard.cli.bundle_views import facts_of, print_bundle

    loaded = Bundle.load(bundle)
    facts = facts_of(loaded, _public_keys(public_key))
    if as_json:
        manifest = loaded.manifest.model_dump(mode="json")
        _echo_json({"path": str(loaded.path), "digest": loaded.digest, **manifest, **facts.document()})
    else:
        print_bundle(loaded, facts)


def verify(bundle: _Folder = "embedded", public_key: _Keys = None, as_json: _Json = False) -> None:
    """Check every digest, signature and threshold, load the graphs, and score; exit with 1 if it cannot be used.

    With public keys the bundle has to be signed by one of them. What a release gate found is told, and decides nothing.
    """
    from guard.bundle import Bundle, embedded_path
    from guard.errors import BundleInvalid, UsageError

    folder = embedded_path() if bundle == "embedded" else Path(bundle)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such directory")
    keys = _public_keys(public_key)
    try:
        verdict = _verdict(Bundle.load(bundle), keys)
    except BundleInvalid as error:
        verdict = {"ok": False, "path": str(folder), "code": error.code, "message": str(error)}
    _say(verdict, as_json=as_json)


def diff(first: _Folder, second: _Folder, as_json: _Json = False) -> None:
    """Show how two bundles differ, and whether they can score a pair differently; exit with 1 if they differ."""
    from guard.bundle import Bundle
    from guard.cli.bundle_views import difference, print_difference

    before, after = Bundle.load(first), Bundle.load(second)
    found = difference(before, after)
    if as_json:
        _echo_json(found)
    else:
        print_difference(before, after, found)
    raise typer.Exit(0 if found["same"] else 1)


def keygen(
    file: Annotated[Path, typer.Argument(help="New file for the private key; FILE.pub gets the public one.")],
    as_json: _Json = False,
) -> None:
    """Make a key to sign bundles and gate records with: ed25519, readable by its owner alone."""
    from guard.errors import KeyInvalid
    from guard.signing import make_private_key, write_private_key

    beside = file.with_name(f"{file.name}.pub")
    if beside.exists():
        raise KeyInvalid(f"{beside}: exists, and a key is never overwritten")
    key = make_private_key()
    write_private_key(key, file)
    beside.write_text(f"{key.public}\n", encoding="ascii")
    if as_json:
        _echo_json({"private_key": str(file), "public_key": str(key.public), "id": key.public.id})
    else:
        typer.echo(f"{file}: private key {key.public.id}; whoever reads it signs in your name")
        typer.echo(f"{beside}: public key, for `bundle_keys` of the configuration:")
        typer.echo(str(key.public))


def sign(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    key: Annotated[Path, typer.Option(help="File with the private key.")],
    as_json: _Json = False,
) -> None:
    """Sign a bundle's manifest, and with it every file, into manifest.sig; an earlier signature is replaced."""
    from guard.bundle import Bundle, embedded_path
    from guard.errors import UsageError
    from guard.signing import read_private_key
    from guard.trust import sign_bundle

    if bundle == Path("embedded") or (bundle.is_dir() and bundle.samefile(embedded_path())):
        raise UsageError("the embedded bundle is Guard's own: sign a copy of its folder")
    private = read_private_key(key)
    loaded = Bundle.load(bundle)
    path = sign_bundle(loaded, private)
    if as_json:
        _echo_json({"path": str(path), "digest": loaded.digest, "signed_by": private.public.id})
    else:
        typer.echo(f"{path}: {loaded.label} ({loaded.digest[:12]}) signed by key {private.public.id}")


def _public_keys(written: list[str] | None) -> "tuple[PublicKey, ...]":
    from guard.signing import read_public_key

    return tuple(map(read_public_key, written or ()))


def _verdict(bundle: "Bundle", keys: "tuple[PublicKey, ...]") -> dict[str, object]:
    """Return whether a loaded bundle can be used, or why not, as `--json` prints it."""
    import asyncio

    from guard.cli.bundle_trial import try_bundle
    from guard.cli.bundle_views import facts_of
    from guard.errors import BundleInvalid, BundleMismatch, BundleUntrusted, ScorerFailed

    facts = facts_of(bundle, keys)
    try:
        if keys and facts.signature.key is None:
            raise BundleUntrusted(facts.signature.problem or "not signed")
        if facts.records.refused:
            raise BundleUntrusted(facts.records.refused[0])
        for what, changed in facts.chosen_for_other_files.items():
            raise BundleMismatch(f"{what} was chosen for other files: not for {', '.join(changed)}")
        asyncio.run(try_bundle(bundle))
    except (BundleInvalid, ScorerFailed) as error:
        return {"ok": False, "path": str(bundle.path), "code": error.code, "message": str(error)}
    return {
        "ok": True,
        "path": str(bundle.path),
        "bundle": bundle.label,
        "digest": bundle.digest,
        "files": len(bundle.manifest.files),
        "signed_by": facts.signature.key,
        "gate": facts.gate.value,
    }


def _say(verdict: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        _echo_json(verdict)
    elif verdict["ok"]:
        signer = verdict["signed_by"]
        signed = f"signed by {signer}" if signer else "no signature checked"
        typer.echo(f"{verdict['bundle']}: {verdict['files']} files intact, {signed}, gate {verdict['gate']}")
        typer.echo(f"digest {verdict['digest']}")
    else:
        typer.echo(" ".join(f"{verdict['path']}: {verdict['code']}: {verdict['message']}".split()))
    if not verdict["ok"]:
        raise typer.Exit(1)


def _echo_json(document: Mapping[str, object]) -> None:
    import orjson

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())

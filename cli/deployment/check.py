"""Everything that `./just k8s-check` looks at."""

from collections.abc import Iterator, Sequence

from cli.deployment import generated, rehearsal
from cli.deployment.checking import (
    arriving,
    configuration,
    confinement,
    growing,
    network,
    rendering,
    saying,
    schemas,
    wholeness,
)
from cli.deployment.checking import images as of_images
from cli.deployment.pods import Object
from cli.home import PROJECT

CHECKS = {
    "schemas": schemas.check,
    "confinement": confinement.check,
    "configuration": configuration.check,
    "network": network.check,
    "wholeness": wholeness.check,
    "growing": growing.check,
    "arriving": arriving.check,
}


def findings(objects: Sequence[Object]) -> list[str]:
    """Return a sentence for everything that is wrong with the objects of an overlay."""
    return [f"{name}: {finding}" for name, check in CHECKS.items() for finding in check(objects)]


def everything() -> Iterator[str]:
    """Yield everything that is wrong: with made files, permissions, overlays. Prints as it goes."""
    outdated = generated.outdated()
    print(f"{'made files':13} {len(generated.documents()):4}  {_mark(outdated)}")
    for path in outdated:
        yield f"{path.relative_to(PROJECT)} is out of date; run ./just k8s"
    wrong = list(saying.check(saying.USERS.read_text()))
    print(f"{'permissions':13} {'':4}  {_mark(wrong)}")
    yield from wrong
    for overlay, objects in _rendered():
        found = findings(objects)
        print(f"{overlay:13} {len(objects):4} objects, {len(CHECKS)} checks  {_mark(found)}")
        yield from (f"{overlay}: {finding}" for finding in found)


def _rendered() -> Iterator[tuple[str, list[Object]]]:
    """Yield the overlays, and that for production with every secret that it can do without."""
    for overlay in rendering.overlays():
        yield overlay, rendering.rendered(overlay)
    optional = sorted(path.parent for path in generated.OPTIONAL.glob("*/kustomization.yaml"))
    yield "prod, secrets", rendering.rendered_with("prod", optional)


def images() -> Iterator[str]:
    """Yield everything that is wrong with the images, and rehearse one. Prints as it goes."""
    wrong = list(of_images.check_files())
    print(f"{'Dockerfiles':12} {len(of_images.FILES):4}  {_mark(wrong)}")
    yield from wrong
    try:
        made = of_images.composed(of_images.fresh())
    except ValueError as error:
        yield f"compose.yaml: {error}"
    else:
        wrong = list(of_images.check_composed(made))
        print(f"{'compose.yaml':12} {len(made):4}  {_mark(wrong)}")
        yield from wrong
    for line in rehearsal.rehearse():
        print(f"  {line}", flush=True)


def _mark(found: Sequence[object]) -> str:
    return f"{len(found)} findings" if found else "ok"

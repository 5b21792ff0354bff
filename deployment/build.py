"""`make build`: the functions for one architecture, and a template that accepts no other."""

from pathlib import Path

from deployment import DeploymentError, sam

TEMPLATE = Path("template.yaml")
DEFAULT_BUILD_DIR = Path(".aws-sam/build")


def build(build_dir: Path, architecture: str | None) -> int:
    """Run `sam build` for this architecture; None builds for the default of the template.

    Returns the exit status. Raises: DeploymentError, when the template does not allow the architecture.
    """
    declaration = sam.read_template(TEMPLATE)["Parameters"]["Architecture"]
    chosen = architecture or declaration["Default"]
    if chosen not in declaration["AllowedValues"]:
        raise DeploymentError(f"ARCHITECTURE must be {' or '.join(declaration['AllowedValues'])}.")
    status = sam.run(["build", "--build-dir", str(build_dir), "--parameter-overrides", f"Architecture={chosen}"])
    if status == 0:
        limit_architecture(build_dir / "template.yaml", chosen)
    return status


def limit_architecture(template_file: Path, architecture: str) -> None:
    """Allow only this architecture in a built template.

    With another one the deployment would succeed, and each import of a compiled library would fail.
    """
    template = sam.read_template(template_file)
    declaration = template["Parameters"]["Architecture"]
    others = [other for other in declaration["AllowedValues"] if other != architecture]
    declaration["Default"] = architecture
    declaration["AllowedValues"] = [architecture]
    declaration["ConstraintDescription"] = (
        f"must be {architecture}, because the functions were built for it. "
        f"For {' or '.join(others)}, run make deploy ARCHITECTURE={others[0]}."
    )
    sam.write_template(template_file, template)

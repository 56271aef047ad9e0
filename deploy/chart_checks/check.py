"""Renders the Helm chart with each file of values in `deploy/chart/ci` and `deploy/chart/profiles`, and
checks what comes out.

    python -m deploy.chart_checks.check
    python -m deploy.chart_checks.check --chart /tmp/chart --values default     # another copy, one file

Helm lints strictly. `kubernetes-validate` compares built-in kinds with the schemas of Kubernetes and refuses
unknown fields. TypeScript does so for custom resources: an object literal may have no field that its type
lacks; their own validators check values. checkov and `rules` look for what is unsafe. The Jobs that Prefect
would start are made of their templates, and are checked, too. Nothing is installed: there is no cluster in
any of this.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.chart_checks import rules
from deploy.chart_checks.rules import CHART
from deploy.chart_checks.tools import Tools, prepare
from deploy.chart_checks.work_pools import make_jobs
from deploy.engine import CommandFailedError

KUBERNETES = ("1.34", "1.37")  # the oldest that the chart supports, and the newest that the tool knows
_PACKAGES = {  # of the types of custom resources, by API group
    "argoproj.io": "argo-rollouts",
    "gateway.networking.k8s.io": "gateway-api",
    "monitoring.coreos.com": "prometheus-operator",
    "networking.istio.io": "istio",
    "security.istio.io": "istio",
}
# checkov's rules that do not apply, and why.
SKIPPED = {
    "CKV_K8S_35": "processes read secrets from their environment, as everywhere (docs/security.md)",
    "CKV_K8S_43": "digests are values of an installation (image.digests); a tag stands in the tests",
}


def check(tools: Tools, chart: Path, values: Sequence[Path]) -> list[str]:
    """What is wrong with a chart, a paragraph each."""
    wrong: list[str] = []
    custom: list[tuple[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in values:
            try:
                documents = render(tools, chart, file)
                documents += make_jobs(documents)
            except CommandFailedError as error:
                wrong.append(f"{file.stem}: {error}")
                continue
            native = [
                as_native(each) for each in documents if _group(each) not in _PACKAGES or _is_rollout(each)
            ]
            custom += [(file.stem, each) for each in documents if _group(each) in _PACKAGES]
            rendered = folder / f"{file.stem}.yaml"
            rendered.write_text(yaml.safe_dump_all(native), encoding="utf-8")
            faults = [
                *_validate(tools, rendered),
                *_find_unsafe(tools, rendered),
                *rules.faults(documents),
            ]
            wrong += [f"{file.stem}: {fault}" for fault in faults]
            print(f"  {file.stem:<24}{len(documents):>4} objects  {len(faults)} faults", flush=True)
    return [*wrong, *_check_types(tools, custom)]


def render(tools: Tools, chart: Path, values: Path) -> list[dict[str, Any]]:
    """The objects of a chart, after a strict lint. CommandFailedError when Helm finds a fault."""
    _run([str(tools.helm), "lint", "--strict", "--quiet", str(chart), "--values", str(values)])
    words = [str(tools.helm), "template", "tonebridge", str(chart), "--namespace", "tonebridge"]
    output = _run([*words, "--values", str(values)])
    return [document for document in yaml.safe_load_all(output) if document]


def as_native(document: dict[str, Any]) -> dict[str, Any]:
    """A Rollout as the Deployment that it would be, so that its pods are checked as others are."""
    if not _is_rollout(document):
        return document
    spec = {key: value for key, value in document["spec"].items() if key != "strategy"}
    return {**document, "apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def _is_rollout(document: dict[str, Any]) -> bool:
    return bool(document["kind"] == "Rollout")


def _group(document: dict[str, Any]) -> str:
    return str(document["apiVersion"].partition("/")[0])


def _validate(tools: Tools, rendered: Path) -> list[str]:
    refusals = []
    for version in KUBERNETES:
        command = [str(tools.kubernetes_validate), "--strict", "-k", version, str(rendered)]
        done = subprocess.run(command, capture_output=True, text=True)
        bad = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("INFO")]
        if done.returncode or bad:
            refusals.append("\n".join([f"Kubernetes {version} refuses it", *bad]))
    return refusals


def _find_unsafe(tools: Tools, rendered: Path) -> list[str]:
    command = [
        *(str(tools.checkov), "--framework", "kubernetes", "--file", str(rendered), "--quiet", "--compact"),
        *("--skip-download", "--skip-check", ",".join(SKIPPED), "--output", "json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    try:
        failed = json.loads(done.stdout)["results"]["failed_checks"]
    except (ValueError, KeyError):
        return [f"checkov failed: {done.stdout}{done.stderr}"]
    return [f"{each['resource']}: {each['check_id']}, {each['check_name']}" for each in failed]


def _check_types(tools: Tools, custom: Sequence[tuple[str, Any]]) -> list[str]:
    """Compare custom resources with their types and validators."""
    typed, checked = [], []
    for number, (file, document) in enumerate(custom):
        package, kind = _PACKAGES[_group(document)], document["kind"]
        place = f"@kubernetes-models/{package}/{document['apiVersion']}/{kind}"
        literal = json.dumps(document, indent=1)
        title = f"{file}: {kind} {document['metadata']['name']}"
        typed.append(f'import type {{ I{kind} as T{number} }} from "{place}";')
        typed.append(f"// {title}\nexport const object{number}: T{number} = {literal};")
        checked.append(f'import {{ {kind} as Kind{number} }} from "{place}";')
        checked.append(
            f"try {{ new Kind{number}({literal}).validate(); }}"
            f" catch (error) {{ console.log({json.dumps(title)} + ': ' + error.message); }}"
        )
    source, program = tools.models / "objects.ts", tools.models / "objects.mjs"
    source.write_text("\n".join(typed), encoding="utf-8")
    program.write_text("\n".join(checked), encoding="utf-8")
    options = "--noEmit --strict --skipLibCheck --target esnext --module esnext --moduleResolution bundler"
    compiler = tools.models / "node_modules" / ".bin" / "tsc"
    types = subprocess.run([str(compiler), *options.split(), str(source)], capture_output=True, text=True)
    values = subprocess.run(["node", str(program)], capture_output=True, text=True)
    print(f"  {len(custom)} custom resources compared with their types", flush=True)
    wrong_types = (
        [f"the types of custom resources (lines of {source}):\n{types.stdout}"] if types.returncode else []
    )
    output = (values.stdout + values.stderr).strip()
    return [*wrong_types, *([f"the values of custom resources:\n{output}"] if output else [])]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CommandFailedError(f"{Path(command[0]).name} {command[1]}: {done.stdout}{done.stderr}".strip())
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Check; exits with 1 when something is wrong."""
    parser = argparse.ArgumentParser(description="Renders and checks the Helm chart.")
    parser.add_argument("--chart", type=Path, default=CHART, help="in place of deploy/chart")
    parser.add_argument(
        "--values", nargs="*", metavar="NAME", help="of files in its folders ci and profiles; all by default"
    )
    chosen = parser.parse_args(arguments)
    files = sorted(file for folder in ("ci", "profiles") for file in (chosen.chart / folder).glob("*.yaml"))
    if chosen.values:
        files = [file for file in files if file.stem in chosen.values]
    if not files:
        parser.error(f"no such file of values in {chosen.chart / 'ci'} or {chosen.chart / 'profiles'}")
    try:
        faults = check(prepare(), chosen.chart, files)
    except CommandFailedError as error:
        raise SystemExit(str(error)) from error
    if faults:
        raise SystemExit("\n\n".join(faults))
    print("  The chart has no fault that these programs find.")


if __name__ == "__main__":
    main()

"""JUnit XML, which every CI server shows: a test suite a report, a test case a finding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as xml

from ..findings import Finding
from .places import file_of, relative
from .text import placements, printable

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """Findings are failures, models that could not be read errors; what was silenced or not checked is skipped."""
    root = xml.Element("testsuites", name="lintmodel")
    for report in reports:
        _suite(root, report)
    for failure in failures:
        suite = xml.SubElement(root, "testsuite", name=relative(failure.model), tests="1", failures="0", errors="1")
        case = xml.SubElement(suite, "testcase", name="read", classname=relative(failure.model))
        xml.SubElement(case, "error", message=printable(failure.error))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{xml.tostring(root, encoding="unicode")}\n'


def _suite(root: xml.Element, report: Report) -> None:
    name = f"{relative(report.model)} for {report.target.name} ({report.target.toolchain})"
    suite = xml.SubElement(root, "testsuite", name=printable(name))
    told = xml.SubElement(suite, "properties")
    for key, value in (("verdict", report.verdict), ("runtime", report.runtime), ("fits", report.fits)):
        xml.SubElement(told, "property", name=key, value=value)
    xml.SubElement(told, "property", name="placements", value=placements(report))
    for finding in report.findings:
        case = _case(suite, report, finding)
        body = xml.SubElement(case, "failure", type=str(finding.level), message=printable(finding.message))
        body.text = printable(f"{finding.vendor_message or finding.message}")
    for item in report.suppressed:
        xml.SubElement(_case(suite, report, item.finding), "skipped", message=printable(item.why))
    for gap in report.not_checked:
        case = xml.SubElement(suite, "testcase", name=f"not checked: {printable(gap.what)}", classname=report.model)
        xml.SubElement(case, "skipped", message=printable(gap.why))
    if not report.findings:
        xml.SubElement(suite, "testcase", name="no findings", classname=printable(relative(report.model)))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(report.findings)))
    suite.set("errors", "0")
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))


def _case(suite: xml.Element, report: Report, finding: Finding) -> xml.Element:
    at = f" at {finding.node}" if finding.node else ""
    case = xml.SubElement(suite, "testcase", name=printable(f"{finding.rule} {finding.name}{at}"))
    case.set("classname", printable(relative(report.model)))
    case.set("file", printable(relative(file_of(report, finding))))
    if finding.location and finding.location.line:
        case.set("line", str(finding.location.line))
    return case

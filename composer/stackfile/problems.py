"""A problem as people read it: place, sentence, the source line with a caret, a hint."""

from __future__ import annotations

from composer import errors


def text_of(error: errors.StackFileError) -> str:
    """Every problem of an error, one after the other."""
    return "\n".join(_text(problem) for problem in error.problems)


def _text(problem: errors.Problem) -> str:
    lines = [_escaped(str(problem))]
    source = _source_line(problem.file, problem.line)
    if source is not None:
        number = f"{problem.line:>5} | "
        lines.append(f"{number}{_escaped(source)}")
        if problem.column:
            lead = "".join("\t" if c == "\t" else " " for c in source[: problem.column - 1])
            lines.append(" " * len(number) + lead + "^")
    lines += [f"  which {where} includes or extends" for where in reversed(problem.via)]
    if problem.hint:
        lines.append(f"  hint: {problem.hint}")
    return "\n".join(lines)


def _source_line(file: str, line: int) -> str | None:
    if not file or not line or file == "-":
        return None
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            for number, text in enumerate(opened, 1):
                if number == line:
                    return text.rstrip("\r\n")[:200]
    except OSError:
        return None
    return None


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)

"""The template language of ``--format``; expected texts are those of Go's text/template with Docker's functions."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.cli import templatesyntax
from composer.cli.template import OpenMap, Record, Template, render

VALUE = {
    "Name": "/web",
    "Id": "0123456789abcdef",
    "State": {"Status": "running", "Running": True, "ExitCode": 0, "Health": None},
    "Args": ["-c", "echo <hi>"],
    "Empty": [],
    "Labels": OpenMap({"a.b": "1", "c": "2"}),
    "Ports": OpenMap({"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": None}),
    "Size": 2.5,
    "Count": 3,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{{.Name}}", "/web"),
        ("a{{ .Name }}b", "a/webb"),
        ("{{.State.Status}} {{.State.Running}}", "running true"),
        ("{{.State.Health}} {{len .State.Health}}", "<nil> 0"),
        ("{{json .State.Health}}", "null"),
        ("{{json .Args}}", '["-c","echo <hi>"]'),
        ("{{.Args | json}}", '["-c","echo <hi>"]'),
        ("{{.Args}}", "[-c echo <hi>]"),
        ("{{.Labels}}", "map[a.b:1 c:2]"),
        ("{{.Ports}}", "map[443/tcp:<nil> 80/tcp:[map[HostIp:0.0.0.0 HostPort:8080]]]"),
        ("{{.Labels.c}} {{.Labels.nope}}", "2 <no value>"),
        ('{{index .Labels "a.b"}}|{{index .Labels "nope"}}|', "1||"),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{index .Ports "80/tcp" 0}}', "map[HostIp:0.0.0.0 HostPort:8080]"),
        ("{{range .Args}}[{{.}}]{{end}}", "[-c][echo <hi>]"),
        ("{{range $i, $a := .Args}}{{$i}}={{$a}};{{end}}", "0=-c;1=echo <hi>;"),
        ("{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}", "a.b:1 c:2 "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Args}}{{if eq . `-c`}}{{continue}}{{end}}{{.}}{{end}}", "echo <hi>"),
        ("{{range .Args}}{{.}}{{break}}{{end}}", "-c"),
        ("{{range .Args}}{{$.Name}}{{end}}", "/web/web"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.ExitCode}}bad{{else if .Empty}}odd{{else}}fine{{end}}", "fine"),
        ("{{with .State}}{{.Status}}{{end}}", "running"),
        ("{{with .State.Health}}{{.Status}}{{else}}no health{{end}}", "no health"),
        ("{{with $x := .Name}}{{$x}}{{.}}{{end}}", "/web/web"),
        ("{{$n := .Name}}{{$n = `b`}}{{$n}}", "b"),
        ("{{$n := 1}}{{range .Args}}{{$n = 2}}{{end}}{{$n}}", "2"),
        ("{{len .Args}} {{len .Name}} {{len .Labels}}", "2 4 2"),
        ('{{join .Args ","}}', "-c,echo <hi>"),
        ('{{split .Name "w"}}', "[/ eb]"),
        ('{{.Name | upper | printf "%s-%d" "a"}}', "a-%!d(string=/WEB)"),
        ("{{upper .Name}} {{lower `AB`}} {{title `ab cd`}}", "/WEB ab Ab Cd"),
        ("{{truncate .Id 12}}|{{pad `a` 1 2}}|", "0123456789ab| a  |"),
        ("{{slice .Id 0 4}}", "0123"),
        ('{{printf "%-6s|%6s|%04d|%.1f|%q|%v|%t|%%|%x" "a" "b" 7 2.25 "c" .Args true 255}}',
         'a     |     b|0007|2.2|"c"|[-c echo <hi>]|true|%|ff'),
        ('{{printf "%s"}}', "%!s(MISSING)"),
        ('{{printf "a" 1}}', "a%!(EXTRA int=1)"),
        ("{{println .Name}}{{println 1 2 `a`}}", "/web\n1 2 a\n"),
        ('{{print "a" 1 2 "b"}}', "a1 2b"),
        ("{{eq .Count 3}} {{ne .Count 3}} {{lt 1 2}} {{ge .Size 2.5}} {{eq 1 2 3 1}}", "true false true true true"),
        ("{{and .Name .State.ExitCode .Nope}}", "0"),
        ("{{or .Empty .Name .Nope}}", "/web"),
        ("{{not .Empty}}", "true"),
        ("a {{- .Name -}} b", "a/webb"),
        ("a {{- /* note }} */ -}} b", "ab"),
        ("{{/* note */}}x", "x"),
        ("{{- `-` -}}", "-"),
        ("{{-1}}", "-1"),
        ("{{`}}`}}", "}}"),
        ('{{"\\t\\x41\\u00e9\\101"}}', "\tAéA"),
        ("{{'a'}}", "97"),
        ("{{.Size}} {{1e3}} {{0x10}} {{1.50}}", "2.5 1000 16 1.5"),
        ("{{true}} {{nil | json}}", "true null"),
        ("{{(.State).Status}}", "running"),
        ("{{$.Name}}", "/web"),
        ("{{html `<a>`}}{{urlquery `a b`}}", "&lt;a&gt;a+b"),
        ("}} {", "}} {"),
    ],
)  # fmt: skip
def test_renders(text: str, expected: str) -> None:
    assert render(text, VALUE) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Nam}}", r"column 3: there is no field .Nam; did you mean .Name\?"),
        ("ab{{.State.Foo}}", "column 11: there is no field .Foo; there are: Status, Running"),
        ("{{.Name.Foo}}", "column 8: '/web' has no field .Foo"),
        ("{{.State.Health.Status}}", "nothing has no field .Status"),
        ("{{.Name", "column 1: unclosed action"),
        ("{{/* x", "unclosed comment"),
        ("{{}}", "a value or a function is missing"),
        ("{{.Name |}}", "column 10: a value or a function is missing"),
        ("{{Name}}", "there is no function Name; is .Name meant"),
        ("{{jsn .}}", r"did you mean json"),
        ("{{if .Name}}", "column 3: if without its {{end}}"),
        ("{{end}}", "column 3: unexpected {{end}}"),
        ("{{range .Args}}{{else}}{{else}}{{end}}", "range without its"),
        ("{{$x}}", "undefined variable \\$x"),
        ("{{if .Name}}{{$x := 1}}{{end}}{{$x}}", "undefined variable"),
        ('{{"abc}}', 'unterminated "'),
        ("{{.Name .Id}}", "only a function takes arguments"),
        ("{{.Name | .Id}}", "only a function can take"),
        ("{{(.Name}}", "unclosed parenthesis"),
        ("{{.Name)}}", "unexpected '\\)'"),
        ("{{1.Foo}}", "unexpected|no fields"),
        ("{{#}}", "unexpected '#'"),
        ("{{break}}", "outside of a range"),
        ("{{template `x`}}", "template is not supported"),
        ("{{range .Name}}{{end}}", "range cannot go over"),
        ("{{index .Args 9}}", "index 9 is out of range: there are 2"),
        ("{{index .Args `a`}}", "cannot index a list with a"),
        ("{{len 1}}", "a number has no length"),
        ("{{upper 1}}", "wants a string, not a number"),
        ("{{join .Name `,`}}", "wants a list, not a string"),
        ("{{lt 1 `a`}}", "cannot compare a number with a string"),
        ("{{truncate .Name -1}}", "wants a number from 0"),
        ('{{printf "%999999999s" "a"}}', "width is at most"),
        ("{{split .Name}}", "wrong number of arguments"),
        ("a\nb{{.Nope}}", "line 2, column 4"),
        ("{{" + "(" * 200 + "1" + ")" * 200 + "}}", "nested too deeply"),
        ("{{if 1}}" * 200 + "{{end}}" * 200, "nested too deeply"),
        (
            "{{range 100000000}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}",
            "too long",
        ),
    ],
)
def test_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(errors.UsageError, match=message):
        render(text, VALUE)


@given(st.text(alphabet='{}|.()-$ "`abce1\n=:,/*', max_size=40))
def test_any_text_renders_or_is_refused(text: str) -> None:
    try:
        render(text, VALUE)
    except errors.UsageError:
        pass


@given(st.text(max_size=60).filter(lambda text: "{{" not in text))
def test_text_without_actions_is_copied(text: str) -> None:
    assert render(text, None) == text


@given(st.text(max_size=30).filter(lambda text: "\n" not in text))
def test_a_quoted_string_is_itself(text: str) -> None:
    assert templatesyntax.unquoted(json.dumps(text, ensure_ascii=False).replace("\\ud", "?ud")) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(alphabet=string.ascii_letters, min_size=1), inner)
    ),
)


@given(JSON)
def test_json_reads_back(value: object) -> None:
    assert json.loads(render("{{json .}}", value)) == value


def test_methods_take_arguments() -> None:
    record = Record({"Name": "web"}, {"Label": lambda name: f"<{name}>"})
    assert render('{{.Name}} {{.Label "tier"}} {{.Label "a" | upper}}', record) == "web <tier> <A>"
    assert render("{{json .}}", record) == '{"Name":"web"}'
    with pytest.raises(errors.UsageError, match="Label: wrong number of arguments"):
        render("{{.Label}}", record)


def test_a_template_renders_many_values() -> None:
    template = Template("{{.a}};")
    assert [template.render({"a": n}) for n in (1, 2)] == ["1;", "2;"]

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testSchema = `{
  "required": ["sources"],
  "properties": {
    "alpha": {"type": "integer", "default": 3, "description": "A number."},
    "safety": {"description": "Limits.", "properties": {
      "most": {"allOf": [{"$ref": "#/definitions/limit"}], "default": {"count": 5, "percent": 20}, "description": "One | other."}}},
    "sources": {"type": "object", "description": "Where from."}
  },
  "definitions": {
    "limit": {"anyOf": [{"type": "integer"}]},
    "source": {"required": ["type"], "properties": {"type": {"enum": ["a", "b"]}}},
    "source_a": {"properties": {"every": {"type": "string"}, "host": {"type": "string"}, "mode": {"type": "boolean"}}},
    "source_b": {"properties": {"every": {"type": "string"}, "mode": {"type": "integer"}}},
    "target": {"properties": {}},
    "webhook": {"properties": {}},
    "rule": {"properties": {}},
    "permission_set": {"properties": {"chat": {"properties": {"edit": {}, "call": {}}}}}
  }
}`

const testExample = "sources:\n  one: {type: a, every: x}\n  two: {host: y}\nsafety: {most: 5}\n"

func TestKeysStandInTheOrderOfTheExample(t *testing.T) {
	t.Parallel()
	out, err := configuration([]byte(testSchema), []byte(testExample))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "| `") || strings.HasPrefix(line, "## sources") || strings.HasPrefix(line, "- `chat`") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	want := []string{
		"| `sources` | block by name | required | Where from. |",
		"| `safety` | block | | Limits. |",
		"| `safety.most` | limit | `{count: 5, percent: 20}` | One \\| other. |",
		"| `alpha` | number | `3` | A number. |",
		"## sources.NAME",
		"| `type` | `a`, `b` | required | |",
		"| `every` | path | | |",
		"## sources.NAME with type: a",
		"| `host` | path | | |",
		"| `mode` | `true`, `false` | | |",
		"## sources.NAME with type: b",
		"| `mode` | number | | |",
		"- `chat`: call, edit",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// fake answers as the program would.
type fake map[string]string

func (f fake) run(_ context.Context, args ...string) ([]byte, error) {
	return []byte(f[strings.Join(args, " ")]), nil
}

func TestCommandsAreDescribedWithTheirSubcommands(t *testing.T) {
	t.Parallel()
	p := fake{
		"--help":                  "All.  \n\nFlags:\n  -q\n\nUse \"groupsyncd [command] --help\" for more.\n",
		"__complete ":             "help\tx\nconfig\tShow it\ncompletion\tx\n:4\n",
		"config --help":           "Config.\n\nGlobal Flags:\n  -q\n",
		"__complete config ":      "show\tShow\n:4\n",
		"config show --help":      "Show.\n\nGlobal Flags:\n  -q\n",
		"__complete config show ": ":4\n",
	}
	out, err := commandReference(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want := commandsHead + "\n## groupsyncd\n\n```text\nAll.\n\nFlags:\n  -q\n```\n" +
		"\n### groupsyncd config\n\n```text\nConfig.\n```\n\n#### groupsyncd config show\n\n```text\nShow.\n```\n"
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("reference (-want +got):\n%s", diff)
	}
}

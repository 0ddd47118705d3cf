package similar_test

import (
	"testing"

	"groupsyncd/internal/similar"
)

func TestTheNearestWordIsFoundOrNone(t *testing.T) {
	t.Parallel()
	known := []string{"workspace.models", "workspace.tools", "chat.call", "Finance"}
	for word, want := range map[string]string{
		"workspace.model": "workspace.models", "Workspace.Tools": "workspace.tools", "finance": "Finance", "Fniance": "Finance", "chat.cal": "chat.call",
		"nonsense": "", "": "", "x": "",
	} {
		if got := similar.Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := similar.Nearest("file-upload", []string{"file_upload"}); got != "file_upload" {
		t.Errorf("the kind of dash counts: %q", got)
	}
}

package packed_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"groupsyncd/internal/packed"
)

type record struct{ Text string }

func TestOnlyWhatWasPackedIsRead(t *testing.T) {
	t.Parallel()
	const form = "groupsyncd-test-1\n"
	raw, err := packed.Encode(form, record{strings.Repeat("where it ended ", 100)})
	if err != nil {
		t.Fatal(err)
	}
	var got record
	if err := packed.Decode(form, raw, 1<<20, &got); err != nil || got.Text != strings.Repeat("where it ended ", 100) {
		t.Fatalf("%v, %q", err, got.Text)
	}
	if len(raw) > 200 {
		t.Errorf("%d bytes are not packed", len(raw))
	}
	bad := map[string][]byte{"nothing": nil, "the form alone": []byte(form), "another form": bytes.Replace(raw, []byte("-1\n"), []byte("-2\n"), 1), "longer": append(bytes.Clone(raw), 0)}
	for i := range raw {
		one := bytes.Clone(raw)
		one[i] ^= 1
		if err := packed.Decode(form, one, 1<<20, &got); !errors.Is(err, packed.ErrDamaged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if err := packed.Decode(form, raw[:i], 1<<20, &got); !errors.Is(err, packed.ErrDamaged) {
			t.Errorf("cut at byte %d: %v", i, err)
		}
	}
	for name, one := range bad {
		if err := packed.Decode(form, one, 1<<20, &got); !errors.Is(err, packed.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := packed.Decode(form, raw, 100, &got); !errors.Is(err, packed.ErrDamaged) {
		t.Errorf("one that unfolds to more than it may: %v", err)
	}
	if _, err := packed.Encode(form, make(chan int)); err == nil {
		t.Error("what JSON cannot hold was packed")
	}
}

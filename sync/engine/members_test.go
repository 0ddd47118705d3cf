package engine_test

import (
	"testing"
)

func TestMembersSayWhoPutThemThere(t *testing.T) {
	t.Parallel()
	w := begin(t, two+"run")
	id := w.web.Named("eng")[0]
	list := w.engine.Members(target, id)
	if len(list) != 2 || !list[0].Owned || len(list[0].By) != 1 || list[0].ID == list[1].ID || list[0].Email > list[1].Email {
		t.Errorf("%+v", list)
	}
	if none := append(w.engine.Members(target, "nothing"), w.engine.Members("nowhere", id)...); len(none) != 0 {
		t.Errorf("of what is not there: %+v", none)
	}
}

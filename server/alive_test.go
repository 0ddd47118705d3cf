package server

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func (b *backend) Alive(context.Context) error { return b.note("alive") }

func TestTheSocketGivesASignOfLife(t *testing.T) {
	t.Parallel()
	b := &backend{}
	c, _, _ := start(t, b, nil)
	if err := c.Alive(t.Context()); err != nil || strings.Join(b.asked, " ") != "alive" {
		t.Errorf("asked %v: %v", b.asked, err)
	}
	b.err = errors.New("the schedules have ended")
	if err := c.Alive(t.Context()); err == nil || !strings.Contains(err.Error(), "the schedules have ended") {
		t.Errorf("ended schedules: %v", err)
	}
}

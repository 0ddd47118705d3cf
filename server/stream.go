package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"groupsyncd/internal/fault"
	"groupsyncd/web"
)

const (
	// maxStreams bounds how many follow a run at a time; streamLife is how long one does
	// before the browser asks anew, and with that whether it still may.
	maxStreams = 32
	streamLife = time.Minute
	// streamPause is the least time between two pictures, streamWrite how long somebody may
	// take to read one before they are dropped.
	streamPause = 250 * time.Millisecond
	streamWrite = 5 * time.Second
	// streamBeat keeps proxies from taking silence for the end.
	streamBeat = 15 * time.Second
)

// progress shows what goes on.
func (p *page) progress(w http.ResponseWriter, r *http.Request, c *caller) {
	p.show(w, r, c, http.StatusOK, "progress", "Progress", "/", web.UnderWayView{Going: p.going("stay")})
}

// events sends the same as it changes, as server-sent events. Each reader takes the newest
// picture when they are ready for one, so that nothing is kept for anybody.
func (p *page) events(w http.ResponseWriter, r *http.Request, c *caller) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		p.fail(w, r, c, fault.New(fault.Throttled, "", "", errors.New("too many follow the run already"), "look at the page by hand"))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more.
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	stop, _ := r.Context().Value(leavingKey{}).(chan struct{})
	out := http.NewResponseController(w)
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	text := []byte("retry: 2000\n")
	var last []byte
	for first := true; ; {
		runs, changed := p.a.Daemon.Going()
		v := &web.Page{Now: p.a.Now(), Zone: p.a.zone()}
		picture, err := p.site.Going(v, &web.GoingView{Runs: runs})
		if err != nil {
			return
		}
		// The first one is sent also when it is empty: the run on the reader's page may have
		// ended before they listened.
		if first || !bytes.Equal(picture, last) {
			first, last = false, picture
			text = append(text, event(len(runs), picture)...)
		}
		if err := push(w, out, text); err != nil {
			return // They are gone, or too slow.
		}
		text = nil
		select {
		case <-changed:
		case <-beat.C:
			text = []byte(":\n\n")
		case <-stop:
			return
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(streamPause):
		case <-ctx.Done():
			return
		}
	}
}

func push(w http.ResponseWriter, out *http.ResponseController, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if err := out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return fmt.Errorf("bound the time of an answer: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return out.Flush()
}

// event writes one picture. Its id is how many runs go on.
func event(runs int, picture []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: going\n", runs)
	for line := range bytes.SplitSeq(picture, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(line)
		b.WriteByte('\n')
	}
	if runs == 0 {
		b.WriteString("data: <!-- nothing -->\n") // An event without data is none.
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// leavingKey leads to what is closed when the listener of a request lets nobody in any more.
type leavingKey struct{}

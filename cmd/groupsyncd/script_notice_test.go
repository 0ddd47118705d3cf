package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// notifySecret is in the address of the service of a script.
const notifySecret = "canary-notify-0123456789"

// earStage is a service for notices: a webhook that writes down what it is told. The file
// is among those that are searched for secrets.
type earStage struct {
	server *httptest.Server
	file   string
	// code is what it answers; zero: that it is fine.
	code atomic.Int64
	n    atomic.Int64
}

func (e *earStage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/"+notifySecret {
		http.Error(w, r.URL.String(), http.StatusNotFound)
		return
	}
	if code := int(e.code.Load()); code != 0 {
		http.Error(w, "refused: "+r.URL.String()+string(body), code)
		return
	}
	var m struct{ Title, Message string }
	if err := json.Unmarshal(body, &m); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, err := os.OpenFile(e.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "== %s\n%s\n", m.Title, m.Message)
		err = firstOf(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
	e.n.Add(1)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// earCommand is the service of a script, which writes what it is told to the file heard.
func earCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	choose(ts, neg, "ear", map[string]subcommand{
		"start": {0, "", func([]string) error {
			s.ear = &earStage{file: filepath.Join(s.dir, "heard")}
			s.ear.server = httptest.NewServer(s.ear)
			host := strings.TrimPrefix(s.ear.server.URL, "http://")
			return secretFile(s.dir, "ear", "generic://"+host+"/"+notifySecret+"?disabletls=yes&template=json")
		}},
		"refuse": {1, "CODE", func(args []string) error {
			code, err := strconv.Atoi(args[0])
			s.ear.code.Store(int64(code))
			return err
		}},
		"heal":   {0, "", func([]string) error { s.ear.code.Store(0); return nil }},
		"forget": {0, "", func([]string) error { s.ear.n.Store(0); return os.RemoveAll(s.ear.file) }},
		"heard": {1, "N", func(args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil {
				return err
			}
			if got := s.ear.n.Load(); got != int64(n) {
				return fmt.Errorf("it heard %d messages", got)
			}
			return nil
		}},
	}, args)
}

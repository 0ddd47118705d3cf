//go:build peers

package suite_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"groupsyncd/target/openwebui/openwebuitest"
	"groupsyncd/target/openwebui/openwebuitest/suite"
)

// realServer gives the server named by the environment.
func realServer(t *testing.T) *suite.World {
	t.Helper()
	url, file := os.Getenv("GROUPSYNCD_TEST_OPENWEBUI_URL"), os.Getenv("GROUPSYNCD_TEST_OPENWEBUI_KEY_FILE")
	if url == "" || file == "" {
		t.Fatal("GROUPSYNCD_TEST_OPENWEBUI_URL and GROUPSYNCD_TEST_OPENWEBUI_KEY_FILE must name a running Open WebUI")
	}
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &suite.World{
		URL: url, Key: strings.TrimSpace(string(key)), Prefix: "suite" + time.Now().Format("150405") + "-", Wait: time.Sleep,
		Changing: os.Getenv("GROUPSYNCD_TEST_OPENWEBUI_SHARED") != "",
	}
}

func TestRealServer(t *testing.T) { suite.Run(t, realServer(t)) }

func TestSimulatorAnswersLikeTheRealServer(t *testing.T) {
	server := realServer(t)
	sim := openwebuitest.NewTest(t, openwebuitest.Options{Version: server.Version(t)})
	sim.AllowLocalFetch(true)
	suite.Compare(t, server, &suite.World{URL: sim.URL, Key: sim.Key, Prefix: server.Prefix, Wait: func(time.Duration) {}})
}

package peer

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Models gives the address of an OpenAI that has models and always says the same.
func Models(tb testing.TB, models []string) string {
	tb.Helper()
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	list := []model{}
	for _, id := range models {
		list = append(list, model{ID: id, Object: "model", OwnedBy: "provider"})
	}
	answer := func(rw http.ResponseWriter, v any) {
		rw.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(rw).Encode(v); err != nil {
			tb.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /models", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, map[string]any{"object": "list", "data": list})
	})
	mux.HandleFunc("POST /chat/completions", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, map[string]any{"id": "one", "object": "chat.completion", "model": "any", "choices": []any{
			map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": "yes"}}}})
	})
	// Knowledge that is made gets a vector, so that nobody looks for one in the internet.
	mux.HandleFunc("POST /embeddings", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, map[string]any{"object": "list", "data": []any{map[string]any{"index": 0, "embedding": []float64{1, 0, 0, 0}}}})
	})
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return server.URL
}

package openwebui

import (
	"context"
	"encoding/json"

	"golang.org/x/sync/errgroup"

	"groupsyncd/internal/fault"
)

// Export gives groups as the server writes them, with the ids of their direct members, in the
// order of ids: all of them, or an error. fault.NotFound says that one is proved to be gone.
func (s *Session) Export(ctx context.Context, ids []string) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(ids))
	work, wctx := errgroup.WithContext(ctx)
	work.SetLimit(parallel)
	for i, id := range ids {
		work.Go(func() error {
			var err error
			out[i], err = s.exportRaw(wctx, id)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// exportRaw reads one group.
func (s *Session) exportRaw(ctx context.Context, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	if _, err := s.get(ctx, "export group", groupPath(id, "/export"), &raw); err != nil {
		return nil, s.gone(ctx, id, err)
	}
	var g struct {
		ID      string    `json:"id"`
		UserIDs *[]string `json:"user_ids"`
	}
	if err := json.Unmarshal(raw, &g); err != nil || g.ID != id || g.UserIDs == nil {
		return nil, fault.Errorf(fault.Incomplete, "export group", "target "+s.c.name, "the answer is another group than %s, or does not tell its members", id)
	}
	return raw, nil
}

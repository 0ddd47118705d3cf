package app

import (
	"context"
	"encoding/json"
)

// Export gives groups of a target as its own JSON.
func (a *App) Export(ctx context.Context, target string, groups []string) ([]json.RawMessage, error) {
	return a.engine.Export(ctx, target, groups)
}

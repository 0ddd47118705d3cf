package app

import (
	"context"
	"encoding/json"

	"groupsyncd/sync/run"
)

// Export gives groups of a target as its own JSON.
func (a *App) Export(ctx context.Context, req run.ExportRequest) ([]json.RawMessage, error) {
	return a.engine.Export(ctx, req)
}

// Import carries groups of a file into a target.
func (a *App) Import(ctx context.Context, req *run.ImportRequest) (*run.Report, error) {
	return a.engine.Import(ctx, req)
}

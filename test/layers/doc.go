// Package layers holds the rule that imports point down only. It owns the table of
// layers and the test that reads the imports of the whole module; the linter's
// depguard rules say the same while one types, file by file.
//
//	6  cmd
//	5  app
//	4  server, providers/all
//	3  sync/engine, sync/schedule
//	2  config > sync/mapping | adapters: providers/<x>, target/openwebui, state
//	1  sync/plan > sync/replica > providers
//	0  sync/run > permission > directory, and internal
//
// Within a layer a package sees its own family, and what stands to the right of a >.
package layers

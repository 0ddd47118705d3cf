package config

import _ "embed"

//go:embed init.yaml
var initial string

// Init gives the smallest useful file, with comments and with placeholders that must
// be changed.
func Init() []byte { return []byte(initial) }

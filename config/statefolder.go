package config

import (
	"path/filepath"
	"regexp"

	"go.yaml.in/yaml/v4"

	"groupsyncd/internal/scalar"
)

// stateLine is the key state at the top of a file, with what stands behind it.
var stateLine = regexp.MustCompile(`(?m)^state:[ \t].*$`)

// StateFolder gives the state folder that a configuration file names, also where the file
// has mistakes: whoever looks for the running daemon needs no more of it. A file that names
// none, or cannot be read, stands for the default.
func StateFolder(file string) string {
	folder := defaults().State
	data, err := readFile(file)
	if err != nil {
		return string(folder)
	}
	var named struct {
		State string `yaml:"state"`
	}
	if err := yaml.Unmarshal(stateLine.Find(data), &named); err == nil && named.State != "" {
		folder = scalar.Path(named.State)
	}
	full, err := filepath.Abs(file)
	if err != nil {
		return string(folder)
	}
	return string(folder.In(filepath.Dir(full)))
}

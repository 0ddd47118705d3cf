package main

import (
	"go.yaml.in/yaml/v4"

	"groupsyncd/app"
	"groupsyncd/config"
	"groupsyncd/sync/run"

	"github.com/spf13/cobra"
)

func (c *command) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show or begin a configuration",
	}
	cmd.AddCommand(c.validateCommand(), &cobra.Command{
		Use:   "show",
		Short: "The configuration in force, with every default, secrets as their references",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, cfg, err := c.load()
			if err != nil {
				return err
			}
			b, err := config.Show(cfg)
			if err != nil {
				return err
			}
			return c.document(b, "yaml")
		},
	}, c.initCommand(), &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := app.Schema()
			if err != nil {
				return err
			}
			return c.document(b, "json")
		},
	})
	return cmd
}

// document prints a text that is YAML or JSON by itself, in the other form when that is
// asked for.
func (c *command) document(text []byte, form string) error {
	if c.output == "table" || c.output == form {
		_, err := c.Out.Write(text)
		return written(err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil { // JSON is YAML too.
		return written(err)
	}
	return c.print(v, nil)
}

// validation is what config validate prints for scripts.
type validation struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Problems config.Problems `json:"problems"`
	Warnings config.Problems `json:"warnings"`
}

func (c *command) validateCommand() *cobra.Command {
	var noSecrets bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration, every problem at once; connects to nothing",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, cfg, err := c.load()
			v := validation{File: file, Problems: config.Problems{}, Warnings: config.Problems{}}
			switch problems, many := asProblems(err); {
			case many:
				v.Problems = problems
			case err != nil:
				return err
			default:
				v.Warnings = append(v.Warnings, cfg.Warnings()...)
				v.Warnings = append(v.Warnings, cfg.Lint()...)
				if !noSecrets {
					v.Problems = append(v.Problems, cfg.CheckSecrets()...)
				}
			}
			v.Valid = len(v.Problems) == 0
			if !v.Valid {
				c.code = run.ExitUsage
			}
			return c.print(v, func() { c.validationTable(&v) })
		},
	}
	cmd.Flags().BoolVar(&noSecrets, "no-secrets", false, "do not read the secrets that the file names")
	return cmd
}

func (c *command) validationTable(v *validation) {
	for _, p := range v.Problems {
		c.line("%s", p.Error())
		c.hint(p.Hint)
	}
	for _, p := range v.Warnings {
		c.line("%s (warning)", p.Error())
		c.hint(p.Hint)
	}
	if v.Valid {
		c.line("%s is valid", v.File)
		return
	}
	c.line("%s in %s", plural(len(v.Problems), "problem"), v.File)
}

// Command company writes an invented company as LDIF to standard output and its
// numbers to standard error.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"groupsyncd/test/peers/ldif"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its inputs and outputs named.
func run(args []string, stdout, stderr io.Writer) int {
	var o ldif.Options
	flags := flag.NewFlagSet("company", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.Users, "users", 200, "number of people")
	flags.IntVar(&o.Groups, "groups", 20, "number of groups")
	mean := flags.Float64("mean", 10, "members of a group on average, nesting followed")
	flags.IntVar(&o.Memberships, "memberships", 0, "exact number of memberships, nesting followed; instead of -mean")
	flags.Float64Var(&o.Nested, "nested", 0.15, "share of groups that contain groups")
	flags.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same company")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "company: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if o.Memberships == 0 {
		o.Memberships = int(*mean * float64(o.Groups))
	}
	c, err := ldif.New(o)
	if err != nil {
		fmt.Fprintln(stderr, "company:", err)
		return 2
	}
	if err := c.Write(stdout); err != nil {
		fmt.Fprintln(stderr, "company:", err)
		return 1
	}
	fmt.Fprintf(stderr, "company: %d users, %d groups, %d direct memberships, %d groups in groups, %d effective memberships\n",
		len(c.Users), len(c.Groups), c.Direct(), c.Nestings(), c.Effective())
	return 0
}

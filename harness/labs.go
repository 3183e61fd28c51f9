package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"elenchus/harness/lab"
	"elenchus/harness/lab/local"
	"elenchus/harness/lab/vagrant"
	"elenchus/results/verdict"
)

// labNameDefault is the name of a local lab that stays up, unless the user names it.
const labNameDefault = "default"

// envProgram passes the name by which the user called this program, for the command that repeats a run.
const envProgram = "ELENCHUS_PROGRAM"

// commandLine is how the user called this program.
func commandLine() []string {
	argv := slices.Clone(os.Args)
	if program := os.Getenv(envProgram); program != "" && (inside() || os.Getenv(envMutant) != "") {
		argv[0] = program
	}
	return argv
}

// fromEnvironment returns the options that were set by environment variables, in the form of command line options:
// without them, the command line does not repeat a run. The seed is left out, because inside of a lab it is always
// set this way.
func fromEnvironment(c *cli.Context) []string {
	var options []string
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		typed := slices.ContainsFunc(os.Args, func(arg string) bool {
			word, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			return strings.HasPrefix(arg, "-") && word == name
		})
		if typed || !c.IsSet(name) || name == "seed" {
			continue
		}
		if many, ok := c.Value(name).(cli.StringSlice); ok {
			for _, v := range many.Value() {
				options = append(options, fmt.Sprintf("--%s=%s", name, v))
			}
			continue
		}
		options = append(options, fmt.Sprintf("--%s=%v", name, c.Value(name)))
	}
	return options
}

// labKinds are the kinds of labs that have hosts.
var labKinds = []string{"local", "inventory", "vagrant"}

// labFlags choose a lab, of these kinds besides those that have hosts. A local lab is made if need be.
func labFlags(also ...string) []cli.Flag {
	nodes := "make a local lab of `N` hosts"
	if slices.Contains(also, simLab) {
		nodes += ", or simulate N nodes"
	}
	return append(presentLabFlags(also...),
		&cli.IntFlag{Name: "nodes", Category: catLab, Value: 5, Usage: nodes},
		&cli.BoolFlag{Name: "rootless", Category: catLab, Usage: "make a local lab without root privileges, even as root"})
}

// presentLabFlags choose a lab for commands that never make one.
func presentLabFlags(also ...string) []cli.Flag {
	usage := "use a `KIND` of lab: local (network namespaces on this machine), inventory (any hosts with SSH), " +
		"vagrant"
	if slices.Contains(also, simLab) {
		usage += ", sim (no hosts: a simulator, in virtual time)"
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "lab", Category: catLab, Value: "local", Usage: usage},
		&cli.StringFlag{Name: "lab-name", Category: catLab, Value: labNameDefault,
			Usage: "work with the local lab `NAME` (see elenchus lab up)"},
		&cli.StringFlag{Name: "inventory", Category: catLab, TakesFile: true,
			Usage: "for --lab inventory: read the hosts from `FILE` (example: docs/inventory.example.toml)"},
	}
}

// checkLabFlags refuses a wrong choice of a lab before anything is started. Besides the kinds that have hosts, the
// command takes those in also.
func checkLabFlags(c *cli.Context, also ...string) error {
	kind, kinds := c.String("lab"), slices.Concat(labKinds, also)
	switch {
	case kind == simLab && !slices.Contains(kinds, kind):
		return usageError("lab sim has no hosts: it is for elenchus test and elenchus envelope, and elenchus sim plays " +
			"many runs in it")
	case !slices.Contains(kinds, kind):
		return usageError("--lab: unknown lab %q: there are %s", kind, strings.Join(kinds, ", "))
	case kind == "inventory" && c.String("inventory") == "":
		return usageError("--lab inventory needs --inventory FILE (docs/inventory.example.toml shows one)")
	case kind != "inventory" && c.IsSet("inventory"):
		return usageError("--inventory goes with --lab inventory, not with --lab %s", kind)
	case kind != "local" && kind != simLab && c.IsSet("nodes"):
		return usageError("--nodes goes with --lab local: the hosts of --lab %s are given", kind)
	}
	if err := local.ValidateName(c.String("lab-name")); err != nil {
		return usageError("--lab-name: %v", err)
	}
	return nil
}

func localOptions(c *cli.Context) local.Options {
	opts := local.Options{Hosts: c.Int("nodes")}
	if c.Bool("rootless") {
		opts.Privilege = local.Rootless
	}
	return opts
}

// inside reports whether this program runs in the enclosure of a local lab.
func inside() bool { return os.Getenv(local.EnvFile) != "" }

// inventory is the lab that the options choose. A local lab must have been entered.
func inventory(c *cli.Context) (lab.Inventory, error) {
	var (
		inv lab.Inventory
		err error
	)
	switch c.String("lab") {
	case "local":
		inv, err = lab.Load(os.Getenv(local.EnvFile))
		if n := c.Int("nodes"); err == nil && c.IsSet("nodes") && !c.Bool("swarm") && n != len(inv.Hosts) {
			return inv, usageError("--nodes is %d, and lab %s is up with %d: leave the option out, or have a lab made for this "+
				"by taking that one down (elenchus lab down)", n, inv.Name, len(inv.Hosts))
		}
	case "inventory":
		if inv, err = lab.Load(c.String("inventory")); err != nil {
			return inv, usageError("%v", err)
		}
	case "vagrant":
		inv, err = vagrant.Load(c.Context, ".")
	}
	return inv, err
}

// enterLab runs this command line again inside a local lab: one that is up, or else a temporary one that ends with
// the command. extraEnv passes on what was chosen at random or found out here, so that it is the same inside.
func enterLab(c *cli.Context, needUp bool, extraEnv ...string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	argv := append([]string{self}, os.Args[1:]...)
	environ := append(append(os.Environ(), envProgram+"="+os.Args[0]), extraEnv...)
	name, opts := c.String("lab-name"), localOptions(c)
	// Signals are handled by the command inside; this process ends when that does.
	ctx := context.WithoutCancel(c.Context)

	up, err := local.List(opts)
	if err != nil {
		return err
	}
	var code int
	switch {
	case slices.Contains(up, name):
		code, err = local.Exec(ctx, name, opts, argv, environ)
	case needUp:
		return notUp(name, up)
	case c.IsSet("lab-name"):
		return notUp(name, up)
	default:
		code, err = local.Run(ctx, opts, argv, environ)
	}
	if err != nil {
		return err
	}
	if code == verdict.ExitValid {
		return nil
	}
	if code > signaled && !needUp {
		msg := fmt.Sprintf("the harness was ended by a signal (%v) before it could finish", syscall.Signal(code-signaled))
		if name := c.Command.Name; name == "test" || name == "envelope" {
			msg += ": elenchus check judges what there is"
		}
		return exitError{code: verdict.ExitHarness, msg: msg}
	}
	return exitError{code: code}
}

// onHosts does something on the hosts of the lab that the options choose. Outside of a local lab, enter has this
// command line run again inside it.
func onHosts(c *cli.Context, enter func(*cli.Context) error, do func(lab.Inventory) error) error {
	if err := checkLabFlags(c); err != nil {
		return err
	}
	if c.String("lab") == "local" && !inside() {
		return enter(c)
	}
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	return do(inv)
}

// enterIfUp is enterLab for commands that have nothing to do when the lab is not up, because nothing outlives a local
// lab. Then it prints that, or, for scripts, the value empty as JSON.
func enterIfUp(nothing string, empty any) func(*cli.Context) error {
	return func(c *cli.Context) error {
		up, err := local.List(localOptions(c))
		if err != nil {
			return err
		}
		if slices.Contains(up, c.String("lab-name")) {
			return enterLab(c, true)
		}
		if c.Bool("json") {
			return printJSON(c, empty)
		}
		return sayNotUp(c, up, nothing)
	}
}

// sayNotUp says that a local lab is not up, for commands that do not fail for this, and what follows from it.
func sayNotUp(c *cli.Context, up []string, so string) error {
	text := "no lab is up"
	if name := c.String("lab-name"); len(up) > 0 || c.IsSet("lab-name") {
		text = fmt.Sprintf("lab %s is not up", name)
	}
	if so != "" {
		text += ": " + so
	}
	if len(up) > 0 {
		text += fmt.Sprintf(" (up are: %s)", strings.Join(up, ", "))
	}
	_, err := fmt.Fprintln(c.App.Writer, text)
	return err
}

// signaled is what shells add to the number of the signal that ended a command, to get its exit code.
const signaled = 128

func notUp(name string, up []string) error {
	hint := "elenchus lab up starts it"
	if len(up) > 0 {
		hint += "; up are: " + strings.Join(up, ", ")
	}
	return exitError{code: verdict.ExitHarness, msg: fmt.Sprintf("lab %s is not up (%s)", name, hint)}
}

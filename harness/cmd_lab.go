package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/lab/local"
	"elenchus/harness/run"
	"elenchus/nemesis"
	"elenchus/results/verdict"
)

func labCommand() *cli.Command {
	return &cli.Command{
		Name: "lab", ArgsUsage: "COMMAND",
		Usage: "manage a lab: bring it up, run commands in it, heal it, take it down",
		Description: "elenchus test does not need this: it makes a temporary local lab and takes it down again. A lab\n" +
			"that was brought up stays up, and tests use it, until it is taken down.",
		Subcommands: []*cli.Command{
			{Name: "up", Usage: "bring up a local lab and leave it running",
				Flags: withEnv(labFlags()), Action: labUp},
			{Name: "down", Usage: "take down a local lab and everything in it",
				Flags: withEnv(append(presentLabFlags(), &cli.BoolFlag{Name: "force", Category: catLab,
					Usage: "take it down even if a test is running in it"})), Action: labDown},
			{Name: "status", Usage: "show which labs are up, and who is using them",
				Flags: withEnv(append(presentLabFlags(), jsonFlag())), Action: labStatus},
			{Name: "exec", Usage: "run a command on a host, or next to the hosts", ArgsUsage: "[HOST] -- COMMAND [ARG...]",
				Description: "With HOST, the command runs there, over SSH. Without, it runs inside the enclosure of a local\n" +
					"lab, from where its hosts can be reached.",
				Flags: withEnv(presentLabFlags()), Action: labExec},
			{Name: "heal", Usage: "undo faults that an interrupted test left behind, and list them",
				Description: "Every test heals the lab before it begins; this does it without a test. It neither starts\n" +
					"nor stops nodes.",
				Flags: withEnv(append(presentLabFlags(), resultsFlag(), breakLockFlag(), jsonFlag())), Action: labHeal},
			leftoversCommand(),
			{Name: "doctor", Usage: "verify on every host that everything a test needs works",
				Description: "Looks for the programs that faults and checks use, and injects every kind of fault once, on idle\n" +
					"processes of its own, whose effects it measures. Makes a local lab for this unless one is up.",
				Flags: withEnv(append(labFlags(), resultsFlag(), jsonFlag(), &cli.StringFlag{Name: "nemesis", Category: catNemesis,
					Value: "all", Usage: "verify these `KINDS` of faults"})), Action: labDoctor},
		},
	}
}

// onlyLocal refuses labs whose hosts the harness cannot bring up or take down.
func onlyLocal(c *cli.Context, what string) error {
	if err := checkLabFlags(c); err != nil {
		return err
	}
	switch kind := c.String("lab"); kind {
	case "vagrant":
		return usageError("lab %s is for local labs: vagrant %s does it for these", what, map[string]string{
			"up": "up", "down": "destroy", "status": "status"}[what])
	case "inventory":
		return usageError("lab %s is for local labs: the hosts of an inventory are not ours to bring up or down", what)
	}
	return nil
}

func labUp(c *cli.Context) error {
	if err := onlyLocal(c, "up"); err != nil {
		return err
	}
	begin := time.Now()
	state, err := local.Up(c.Context, c.String("lab-name"), localOptions(c))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "lab %s is up after %v: %s\n", state.Name,
		time.Since(begin).Round(time.Millisecond), verdict.Count(len(state.Hosts), "host"))
	return nil
}

func labDown(c *cli.Context) error {
	if err := onlyLocal(c, "down"); err != nil {
		return err
	}
	begin := time.Now()
	name := c.String("lab-name")
	up, err := local.List(localOptions(c))
	if err != nil {
		return err
	}
	if !slices.Contains(up, name) {
		return sayNotUp(c, up, "nothing to take down")
	}
	if err := local.Down(c.Context, name, localOptions(c), c.Bool("force")); err != nil {
		if errors.Is(err, local.ErrInUse) {
			return fmt.Errorf("%w (--force ends it all the same)", err)
		}
		return err
	}
	fmt.Fprintf(c.App.Writer, "lab %s is down after %v\n", name, time.Since(begin).Round(time.Millisecond))
	return nil
}

func labStatus(c *cli.Context) error {
	if err := onlyLocal(c, "status"); err != nil {
		return err
	}
	all, err := labStates(c)
	if err != nil {
		return err
	}
	states := make([]labState, 0, len(all))
	for _, s := range all {
		states = append(states, withLeftovers(c, s))
	}
	if c.Bool("json") {
		return printJSON(c, states)
	}
	if len(states) == 0 {
		up, err := local.List(localOptions(c))
		return errors.Join(err, sayNotUp(c, up, ""))
	}
	for _, s := range states {
		printState(c, s)
	}
	return nil
}

// labStates returns the state of the lab that the options name, if it is up; or of all labs that are up.
func labStates(c *cli.Context) ([]local.State, error) {
	opts := localOptions(c)
	if !c.IsSet("lab-name") {
		return local.States(c.Context, opts)
	}
	state, err := local.Status(c.Context, c.String("lab-name"), opts)
	switch {
	case errors.Is(err, local.ErrNotUp):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []local.State{state}, nil
}

func printState(c *cli.Context, s labState) {
	if s.Problem != "" {
		fmt.Fprintf(c.App.Writer, "lab %s: %s\n", s.Name, s.Problem)
		return
	}
	use := "free"
	if s.User != "" {
		use = "in use by " + s.User
	}
	fmt.Fprintf(c.App.Writer, "lab %s: up for %v, %s\n", s.Name, time.Since(s.Since).Round(time.Second), use)
	tw := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	for _, h := range s.Hosts {
		health := fmt.Sprintf("process %d", h.Process)
		if h.Process == 0 {
			health = "dead"
		}
		fmt.Fprintf(tw, "  %s\t%v\t%s\n", h.Name, h.Address, health)
	}
	_ = tw.Flush() // to a terminal, whose errors are not reported
	if s.LeftProblem != "" {
		fmt.Fprintf(c.App.Writer, "  cannot tell what was left behind: %s\n", s.LeftProblem)
	}
	if s.Left != nil {
		printLeft(c.App.Writer, *s.Left)
	}
}

func labExec(c *cli.Context) error {
	if err := checkLabFlags(c); err != nil {
		return err
	}
	host, argv, err := splitExec(c.Args().Slice())
	if err != nil {
		return err
	}
	if c.String("lab") == "local" && !inside() {
		return enterLab(c, true)
	}
	if host == "" {
		if c.String("lab") != "local" {
			return usageError("name a host: elenchus lab exec HOST -- COMMAND (without one, only in local labs)")
		}
		return execHere(c.Context, argv)
	}
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	for _, h := range inv.Hosts {
		if h.Name == host {
			return execOn(c, h, argv)
		}
	}
	return usageError("there is no host %s in lab %s", host, inv.Name)
}

// splitExec parses "[HOST] -- COMMAND ARG...". Without HOST, the option parser has already removed the dashes.
func splitExec(args []string) (host string, argv []string, err error) {
	if i := slices.Index(args, "--"); i == 1 && len(args) > 2 {
		return args[0], args[2:], nil
	}
	// The option parser has removed a leading "--".
	if slices.Contains(os.Args, "--") && len(args) > 0 && !slices.Contains(args, "--") {
		return "", args, nil
	}
	return "", nil, usageError("say what to run: elenchus lab exec [HOST] -- COMMAND [ARG...]")
}

// execOn runs a command on a host over SSH, with this program's standard input and output.
func execOn(c *cli.Context, h control.Host, argv []string) error {
	client, err := control.Dial(c.Context, h, control.Options{BulkTimeout: 24 * time.Hour, Stderr: c.App.ErrWriter})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	err = client.Exec(c.Context, control.QuoteAll(argv), os.Stdin, os.Stdout)
	if status, ok := control.ExitStatus(err); ok { // the command has said why
		return exitError{code: status}
	}
	return err
}

// labDoctor checks the hosts and proves the faults.
func labDoctor(c *cli.Context) error {
	kinds, err := nemesis.ParseKinds(c.String("nemesis"))
	if err != nil {
		return usageError("--nemesis: %v", err)
	}
	enter := func(c *cli.Context) error { return enterLab(c, false) }
	return onHosts(c, enter, func(inv lab.Inventory) error { return examine(c, inv, kinds) })
}

// examine says what works on the hosts of a lab.
func examine(c *cli.Context, inv lab.Inventory, kinds []string) error {
	ctx, cancel := context.WithTimeout(c.Context, 2*time.Minute)
	defer cancel()
	findings, err := run.Doctor(ctx, inv, kinds, clockBinary(), c.String("results"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		if err := printJSON(c, findings); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.App.Writer, findings)
	}
	if !findings.OK() {
		return exitError{code: verdict.ExitHarness}
	}
	return nil
}

// labHeal undoes faults and says which.
func labHeal(c *cli.Context) error {
	return onHosts(c, enterIfUp("nothing to heal", run.Healed{Outstanding: []string{}, Done: []string{},
		Unreachable: []string{}}),
		func(inv lab.Inventory) error { return heal(c, inv) })
}

func heal(c *cli.Context, inv lab.Inventory) error {
	healed, err := run.Heal(c.Context, inv, c.String("results"), clockBinary(), c.Bool("break-lock"))
	if c.Bool("json") {
		return errors.Join(err, printJSON(c, healed))
	}
	for _, fault := range healed.Outstanding {
		fmt.Fprintf(c.App.Writer, "outstanding: %s\n", fault)
	}
	for _, what := range healed.Done {
		fmt.Fprintf(c.App.Writer, "%s\n", what)
	}
	if missing := len(healed.Unreachable); missing > 0 {
		fmt.Fprintf(c.App.Writer, "reached %d of %s, not %s\n", len(inv.Hosts)-missing, hostsOf(inv),
			strings.Join(healed.Unreachable, ", "))
	}
	if err != nil {
		return err
	}
	if len(healed.Outstanding)+len(healed.Done) == 0 {
		fmt.Fprintf(c.App.Writer, "nothing to heal on %s\n", hostsOf(inv))
		return nil
	}
	fmt.Fprintf(c.App.Writer, "healed %s\n", hostsOf(inv))
	return nil
}

func hostsOf(inv lab.Inventory) string {
	return fmt.Sprintf("the %s of lab %s", verdict.Count(len(inv.Hosts), "host"), inv.Name)
}

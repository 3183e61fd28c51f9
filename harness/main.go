// Elenchus examines replicated registers: it runs a system on several hosts, does to it what the world does, and says
// whether what its clients saw could have come from a correct register.
//
// This program is the harness; `elenchus help` lists its commands. The system it comes with is built from ./node.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"elenchus/harness/lab/local"
	"elenchus/harness/run"
	"elenchus/results/verdict"
)

func main() {
	local.Main() // does not return in the processes that a local lab is made of
	os.Exit(execute(os.Args, os.Stdout, os.Stderr))
}

// sameWish is how long after a first signal further ones count as repetitions of it.
const sameWish = 500 * time.Millisecond

// execute runs the program without ending the process, and returns the exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	// The first signal asks for an orderly end: heal, collect, check. The second ends the program at once.
	unread, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctx, stop := signal.NotifyContext(unread, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// With this, to write to a pipe that nobody reads any more is an error, and not the end of this program. Nobody
	// receives the signal; were it ignored instead, the programs that this one starts would ignore it, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	stdout, stderr = whileRead(stdout, cancel), whileRead(stderr, cancel)
	context.AfterFunc(ctx, func() {
		// A terminal that is closed sends several signals, and one Ctrl-C may arrive from the terminal and from a
		// parent process: repetitions within a moment are not a second request.
		signal.Ignore(syscall.SIGHUP)
		time.Sleep(sameWish)
		stop()
	})
	err := newApp(stdout, stderr).RunContext(ctx, args)
	return exitCode(err, stderr)
}

// reader is somebody at the other end of a pipe, such as head, who may have read enough. That asks for an orderly end,
// like a first signal: what is under way on hosts must be undone.
type reader struct {
	io.Writer
	gone func()
}

// whileRead returns w, and calls gone when it is a pipe that nobody reads any more.
func whileRead(w io.Writer, gone func()) io.Writer {
	if f, ok := w.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return reader{w, gone}
	}
	return w
}

func (r reader) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		r.gone()
	}
	return n, err
}

// exitError is an error with an exit code of its own. If the message is empty, nothing is printed, because everything
// was.
type exitError struct {
	code int
	msg  string
}

func (e exitError) Error() string { return e.msg }

// usageError is a mistake in how the program was called.
func usageError(format string, args ...any) error {
	return exitError{code: verdict.ExitUsage, msg: fmt.Sprintf(format, args...)}
}

// exitCode prints err, unless its message is empty, and returns the exit code that it means.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return verdict.ExitValid
	}
	code := verdict.ExitHarness
	e := exitError{}
	if errors.As(err, &e) {
		code = e.code
	} else if errors.Is(err, context.Canceled) { // interrupted by a signal: it does not matter what was interrupted
		err = errors.New("interrupted")
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(stderr, "elenchus: %s\n", run.Printable(msg))
	}
	return code
}

func newApp(stdout, stderr io.Writer) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	app := &cli.App{
		Name:  "elenchus",
		Usage: "cross-examine a replicated register",
		Description: "Runs a workload against a replicated system on several hosts while a nemesis cuts the network,\n" +
			"kills and pauses processes and moves clocks. Records what the clients saw, and decides whether a correct\n" +
			"register could have behaved that way. Does the same in a simulator, and checks histories of other tools.\n\n" +
			"Every option can also be set in the environment: --time-limit is ELENCHUS_TIME_LIMIT.\n\n" +
			"Exit codes: 0 valid, 1 violation, 2 undecided, 3 vacuous (too little was tested),\n" +
			"4 the harness failed or was interrupted, 64 wrong usage.",
		Version:              version(),
		HideHelpCommand:      true,
		Flags:                []cli.Flag{cli.HelpFlag}, // which cli leaves out where there is a help command
		EnableBashCompletion: true,
		Writer:               stdout,
		ErrWriter:            stderr,
		ExitErrHandler:       func(*cli.Context, error) {}, // execute maps errors to exit codes, in one place
		OnUsageError:         onUsageError,
		Action:               rootAction,
		Commands: []*cli.Command{
			testCommand(), simCommand(), replayCommand(), shrinkCommand(), mutantsCommand(), checkCommand(),
			exportCommand(), checkWorkerCommand(), benchCommand(), envelopeCommand(), labCommand(), listCommand(), helpCommand(),
		},
	}
	for _, c := range app.Commands {
		strict(c)
	}
	return app
}

// strict makes a command and its subcommands refuse what cli would accept: usage errors get this program's exit code,
// and options after the first argument, which cli treats as arguments, are refused. ArgsUsage determines how many
// arguments are allowed.
func strict(c *cli.Command) {
	c.OnUsageError = onUsageError
	c.HideHelpCommand = true
	for _, sub := range c.Subcommands {
		strict(sub)
	}
	if c.Action == nil {
		c.Action = func(ctx *cli.Context) error {
			if name := ctx.Args().First(); name != "" {
				return unknownCommand(ctx.Command.HelpName, name, c.Subcommands)
			}
			return cli.ShowSubcommandHelp(ctx)
		}
		return
	}
	if strings.Contains(c.ArgsUsage, "--") { // the arguments are a command line for another program
		return
	}
	action, limit := c.Action, len(strings.Fields(c.ArgsUsage))
	if strings.Contains(c.ArgsUsage, "…") { // any number
		limit = math.MaxInt
	}
	c.Action = func(ctx *cli.Context) error {
		for _, arg := range ctx.Args().Slice() {
			if len(arg) > 1 && arg[0] == '-' {
				return usageError("option %s comes after an argument: options go first (see %s --help)", arg, ctx.Command.HelpName)
			}
		}
		if ctx.NArg() > limit {
			return usageError("unexpected argument %q (see %s --help)", ctx.Args().Get(limit), ctx.Command.HelpName)
		}
		if err := checkLimits(ctx); err != nil {
			return err
		}
		return action(ctx)
	}
}

func onUsageError(ctx *cli.Context, err error, _ bool) error {
	name, flags := "elenchus", ctx.App.Flags
	if ctx.Command != nil && ctx.Command.HelpName != "" {
		name, flags = ctx.Command.HelpName, ctx.Command.Flags
	}
	return explained(err, flags, name)
}

func rootAction(ctx *cli.Context) error {
	if name := ctx.Args().First(); name != "" {
		return unknownCommand(ctx.App.Name, name, ctx.App.Commands)
	}
	return cli.ShowAppHelp(ctx)
}

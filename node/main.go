// Command elenchus-node runs one node of a replicated set of registers.
//
//	elenchus-node --id 1 --cluster lab --peers 1=10.0.0.1:7000,2=10.0.0.2:7000,3=10.0.0.3:7000 \
//	    --http :8000 --data /var/lib/elenchus
//	elenchus-node dump /var/lib/elenchus
//
// The client API is described in package server. SIGTERM and SIGINT shut the node down in good order. The exit status
// is 0 after that, 1 if the node cannot start or stopped by itself, and 64 if the command line is invalid.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"elenchus/node/server"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 64 // EX_USAGE of sysexits.h
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the program and returns its exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "dump" {
		return runDump(args[1:], stdout, stderr)
	}
	cfg, err := parseConfig(args, stdout)
	switch {
	case errors.Is(err, errHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "%v\nRun elenchus-node --help for the flags.\n", err)
		return exitUsage
	case cfg.version:
		fmt.Fprintln(stdout, "elenchus-node", version())
		return exitOK
	}
	return runNode(ctx, cfg, stderr)
}

// runNode runs the node until ctx ends or it stops by itself.
func runNode(ctx context.Context, cfg config, stderr io.Writer) int {
	logger := cfg.logger(stderr)
	node, err := server.Start(cfg.server(logger))
	if err != nil {
		fmt.Fprintln(stderr, "elenchus-node:", oneLine(err))
		return exitError
	}
	select {
	case <-ctx.Done():
		logger.Info("stopping")
		err = node.Stop()
	case <-node.Done():
		err = node.Wait()
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		logger.Error("node stopped: the disk is full", "error", oneLine(err))
		return exitError
	case err != nil:
		logger.Error("node stopped", "error", oneLine(err))
		return exitError
	}
	logger.Info("node stopped")
	return exitOK
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// version returns the version of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	return info.Main.Version + revision + modified + " " + info.GoVersion
}

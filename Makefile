# The two commands to know are `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
LINT_VERSION := v2.15.0
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin

SEED ?= 7
DEMO_FLAGS ?=

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: tools build ## five hosts, 30 s of partitions, kills and pauses, and a verdict
	@bin/elenchus test --lab local --nodes 5 --workload register --nemesis partition,kill,pause \
		--time-limit 30s --rate 200 --concurrency 2n --seed $(SEED) $(DEMO_FLAGS)

# Go refuses to build in a checkout that git refuses to look at, such as another user's.
VCS := -buildvcs=$(shell git status >/dev/null 2>&1 && echo auto || echo false)

build: ## all programs, into bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build $(VCS) -trimpath -o bin/elenchus ./harness
	CGO_ENABLED=0 $(GO) build $(VCS) -trimpath -ldflags '-s -w' -o bin/elenchus-node ./node
	CGO_ENABLED=0 $(GO) build $(VCS) -trimpath -ldflags '-s -w' -o bin/elenchus-clock ./nemesis/elenchus-clock

# Some of the seeded bugs, others every day: `bin/elenchus mutants run --sample 6 --day YYYY-MM-DD` are those of a day.
MUTANTS ?= 6

# A file with the reasons for which a test may be skipped; empty allows any. All that were skipped are listed.
SKIPS ?=

test: tools build ## everything that must pass, including a short real lab run
	$(GO) vet ./...
	CGO_ENABLED=1 $(GO) test -json -race -timeout 20m ./... | $(GO) run .ci/tests.go bin/skipped $(SKIPS)
	CGO_ENABLED=0 $(GO) test -timeout 20m ./harness/sim/... # which plays a few runs under the race detector, all without
	bin/elenchus mutants run --sample $(MUTANTS) --seeds 1 --budget 150s --client-seeds 0 --shrink 0 --workers 2
	bin/elenchus test --lab local --nodes 5 --workload register --nemesis partition,kill,pause \
		--time-limit 30s --rate 200 --concurrency 2n --seed 1

lint: bin/golangci-lint ## golangci-lint with the repository's configuration
	bin/golangci-lint run ./...

bin/golangci-lint:
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

fuzz: ## thirty seconds of fuzzing for every fuzz target
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime 30s $$pkg; \
		done; \
	done

bench: ## every benchmark, once
	$(GO) test -run '^$$' -bench . -benchmem ./...

tools: ## install what the local lab needs and this machine lacks
	@.ci/tools

pictures: tools build ## the documentation's pictures, from runs in a local lab (needs chromium)
	docs/pictures

vagrant-validate: ## check the Vagrantfile (needs vagrant)
	VAGRANT_CHECKPOINT_DISABLE=1 vagrant validate --ignore-provider

clean: ## remove what was built; runs stay
	rm -rf bin

.PHONY: help demo build test lint fuzz bench pictures tools vagrant-validate clean

package mutants

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// File names in a mutant's folder.
const (
	PageName  = "mutant.md"
	PatchName = "mutant.patch"
)

// Mutant is one seeded mistake.
type Mutant struct {
	Name  string `json:"name"`
	Dir   string `json:"dir"`
	Facts Facts  `json:"facts"`
	patch *patch
}

// Save copies the mutant's files into a folder of its name in dir, creating dir if needed.
func (m *Mutant) Save(dir string) error {
	to := filepath.Join(dir, m.Name)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("save mutant: %w", err)
	}
	for _, name := range []string{PageName, PatchName} {
		text, err := os.ReadFile(filepath.Join(m.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o644)
		}
		if err != nil {
			return fmt.Errorf("save mutant: %w", err)
		}
	}
	return nil
}

// HeldBack reports whether the mutant must not be used while improving the search for mutants. This holds for about a
// third of all names.
func (m *Mutant) HeldBack() bool {
	return m.digest()%3 == 0
}

func (m *Mutant) digest() uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(m.Name)) // never fails
	return h.Sum32()
}

// In reports whether the mutant can be found in a lab.
func (m *Mutant) In(lab string) bool { return slices.Contains(m.Facts.Labs, lab) }

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Load reads every mutant in the directories, sorted by name. It returns all problems at once: invalid pages and
// patches, and duplicate names.
func Load(dirs ...string) ([]*Mutant, error) {
	var list []*Mutant
	var problems []error
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			problems = append(problems, fmt.Errorf("load mutants: %w", err))
			continue
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			m, err := Read(filepath.Join(dir, e.Name()))
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if i := slices.IndexFunc(list, func(other *Mutant) bool { return other.Name == m.Name }); i >= 0 {
				problems = append(problems, fmt.Errorf("mutant %s is in %s and in %s", m.Name, list[i].Dir, m.Dir))
				continue
			}
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *Mutant) int { return strings.Compare(a.Name, b.Name) })
	return list, errors.Join(problems...)
}

// Read reads the mutant in a folder. It returns all problems at once.
func Read(dir string) (*Mutant, error) {
	m := &Mutant{Name: filepath.Base(dir), Dir: dir}
	var problems []error
	add := func(file string, err error) {
		if err == nil {
			return
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				problems = append(problems, fmt.Errorf("mutant %s: %s: %w", m.Name, file, one))
			}
			return
		}
		problems = append(problems, fmt.Errorf("mutant %s: %s: %w", m.Name, file, err))
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read mutant %s: %w", m.Name, err)
	}
	if !namePattern.MatchString(m.Name) {
		add(dir, errors.New("a name is of small letters and digits, with hyphens between words"))
	}
	page, err := os.ReadFile(filepath.Join(dir, PageName))
	if err == nil {
		m.Facts, err = parseFacts(m.Name, string(page))
	}
	add(PageName, missing(err))
	text, err := os.ReadFile(filepath.Join(dir, PatchName))
	if err == nil {
		m.patch, err = parsePatch(m.patchFile(), text)
	}
	add(PatchName, missing(err))
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return m, nil
}

// missing shortens the error for a file that does not exist.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no such file")
	}
	return err
}

func (m *Mutant) patchFile() string { return filepath.Join(m.Dir, PatchName) }

// Catalogue returns the directory of a tree's mutants.
func Catalogue(tree string) string { return filepath.Join(tree, "node", "mutants", "catalogue") }

// Sample returns count mutants of the list for a day. The selection changes daily and goes through the whole list in
// turn. The order is random with respect to the parts of the protocol.
func Sample(list []*Mutant, count int, day time.Time) []*Mutant {
	order := slices.Clone(list)
	slices.SortFunc(order, func(a, b *Mutant) int {
		return cmp.Or(cmp.Compare(a.digest(), b.digest()), strings.Compare(a.Name, b.Name))
	})
	var chosen []*Mutant
	number := int(day.Unix() / int64(24*time.Hour/time.Second))
	for i := range min(count, len(order)) {
		chosen = append(chosen, order[(number*count+i)%len(order)])
	}
	return chosen
}

// Select returns the mutants with the given names, or all if none is given. The error lists unknown names.
func Select(list []*Mutant, names []string) ([]*Mutant, error) {
	if len(names) == 0 {
		return list, nil
	}
	var chosen []*Mutant
	var problems []error
	for _, name := range names {
		i := slices.IndexFunc(list, func(m *Mutant) bool { return m.Name == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("there is no mutant %q", name))
			continue
		}
		if !slices.Contains(chosen, list[i]) {
			chosen = append(chosen, list[i])
		}
	}
	return chosen, errors.Join(problems...)
}

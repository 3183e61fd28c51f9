package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// keyVerdict is all that is said of one key.
type keyVerdict struct {
	says      int // operations that say something of it
	result    KeyResult
	finding   verdict.Finding // of a key that is not linearizable
	durable   durable
	listed    listed
	sessioned sessioned
	repeated  error // the first value that was written to it twice
}

// verdict is what is said of a key that was proven to be linearizable as it went by.
func (w *registerWatch) verdict() keyVerdict {
	k := keyVerdict{
		says:   w.says,
		result: KeyResult{Key: w.name, Ops: w.says, Status: verdict.Valid, By: ByOrder},
	}
	if w.finals > 0 {
		k.durable = durable{looked: true, reads: w.finals, updates: w.updates}
	}
	return k
}

// judgement is what is said of the keys whose operations were looked at, a few keys at a time.
type judgement struct {
	diagnosis *diagnosis
	agreement verdict.Check
	clashes   []clash   // what each finding on agreement was made from …
	clashed   []plainly // … and who of the clients had a part in it
	keys      map[string]keyVerdict
	executed  *executed // see execution
	looked    bool      // it was
	writeOnce bool      // the run is about write-once objects
	repeated  string    // the key whose first value that is written twice is wanted, if there is one

	durability, lists, sessions time.Duration // what these took
}

func (s *Stream) newJudgement() *judgement {
	agreement, disagreements, clashes := checkAgreement(s.in.Nodes)
	j := &judgement{agreement: agreement, clashes: clashes, clashed: make([]plainly, len(clashes)),
		diagnosis: newDiagnosis(s.in, disagreements), keys: make(map[string]keyVerdict)}
	j.writeOnce = s.keys.objects.writeOnce()
	if s.keys.repeated != nil {
		j.repeated = s.keys.repeated.name
	}
	return j
}

// examine says what there is to say of the keys of some operations, which must be all on these keys.
func (j *judgement) examine(ctx context.Context, ops []history.Operation, result func(KeyHistory) KeyResult) {
	keys := ByKey(ops)
	failed := failedByKey(keys.ops)
	for i := range keys.Len() {
		k := keys.At(i)
		k.writeOnce = j.writeOnce
		v := keyVerdict{says: len(k.Ops), result: result(k)}
		if v.result.Status == verdict.Violated {
			var p plainly
			if v.finding, p = linearizabilityFinding(v.result.decided(k), failed[k.Key], v.result); p.summary != "" {
				j.diagnosis.tell(&v.finding, p)
			}
			if n := v.result.Answers; n > 0 {
				v.finding.Details = append(v.finding.Details, fmt.Sprintf("This was found in the history up to the %s of its "+
					"answers. Whatever comes later cannot make up for it.", ordinal(n)))
			}
		}
		if ctx.Err() == nil {
			begin := time.Now()
			v.durable = durableOf(k, j.diagnosis)
			middle := time.Now()
			v.sessioned = sessionsOf(k, failed[k.Key], j.execution, j.diagnosis)
			late := time.Now()
			if !v.sessioned.is {
				v.listed = listedOf(k, failed[k.Key], j.diagnosis)
			}
			j.durability += middle.Sub(begin)
			j.sessions += late.Sub(middle)
			j.lists += time.Since(late)
		}
		if k.Key == j.repeated {
			all := slices.Concat(k.Ops, failed[k.Key])
			slices.SortFunc(all, func(a, b history.Operation) int { return cmp.Compare(a.CallSeq, b.CallSeq) })
			v.repeated = history.UniqueValues(all)
		}
		j.keys[k.Key] = v
	}
	for i, c := range j.clashes {
		for _, a := range c {
			j.clashed[i].takesPart(a, ops)
		}
	}
}

// execution is what the nodes' log comes to, when somebody needs it; nil if it is not known.
func (j *judgement) execution() *executed {
	if !j.looked {
		j.looked = true
		j.executed = executionOf(j.diagnosis.in.Nodes, len(j.diagnosis.agreement) > 0)
	}
	return j.executed
}

// disagreements are the findings on agreement, with all that can be told of them.
func (j *judgement) disagreements() []verdict.Finding {
	findings := j.diagnosis.agreement
	for i, c := range j.clashes {
		j.diagnosis.tellClash(&findings[i], c, j.clashed[i])
	}
	return findings
}

// andClashed adds to keys that are to be looked at those that nodes do not agree on.
func (j *judgement) andClashed(keys, all []*registerWatch) []*registerWatch {
	for _, w := range all {
		named := slices.ContainsFunc(j.clashes, func(c clash) bool {
			return slices.ContainsFunc(c, func(a applied) bool {
				return slices.ContainsFunc(a.told(), func(u history.Update) bool { return u.Key == w.name })
			})
		})
		if named && !slices.Contains(keys, w) {
			keys = append(keys, w)
		}
	}
	return keys
}

package main

import "elenchus/results"

// version is what --version prints: the revision the program was built from.
func version() string { return results.ThisTool().String() }

package main

func replicas() []mutation   { return nil }
func plans() []mutation      { return nil }
func identities() []mutation { return nil }
func guards() []mutation     { return nil }
func engines() []mutation    { return nil }

"""Fill the missing wedge and take noise away, learnt from the tomograms of one sample."""

# 40 of the 234 scenes of LOL-v1's 485 training pairs, held out of training for validation: 91 pictures. Pictures
# are of one scene where the references, reduced to 24x16, correlate by more than 0.95; the scenes were drawn by
# random.Random(0).sample from their numbers in order. eval15 is no validation set: 14 of its 15 scenes occur in the 485.
lol_v1_holdout = [
    39, 40, 42, 67, 68, 87, 88, 89, 91, 92, 93, 94, 121, 122, 123, 124, 127, 128, 129, 130, 188, 189, 213, 215,
    219, 220, 221, 236, 237, 238, 251, 252, 253, 257, 258, 342, 344, 470, 471, 481, 482, 488, 492, 507, 508,
    512, 515, 526, 527, 528, 529, 530, 531, 542, 543, 558, 559, 570, 571, 572, 585, 586, 587, 588, 590, 591,
    600, 601, 647, 648, 660, 661, 674, 675, 688, 689, 690, 691, 708, 709, 712, 713, 716, 717, 733, 734, 739,
    740, 741, 769, 770,
]

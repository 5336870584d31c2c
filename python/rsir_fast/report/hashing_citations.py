"""Whom to cite for a method of hashing or metric learning."""

from __future__ import annotations

from rsir_fast.report.describe import Citation

__all__ = ["METHODS_CITED"]

METHODS_CITED = {
    "dpsh": Citation(
        "Li W.-J., Wang S., Kang W.-C. (2016). Feature learning based deep supervised hashing with pairwise labels. "
        "IJCAI. (DPSH)"
    ),
    "hashnet": Citation(
        "Cao Z., Long M., Wang J., Yu P. S. (2017). HashNet: deep learning to hash by continuation. ICCV.",
        "https://arxiv.org/abs/1702.00758",
    ),
    "greedyhash": Citation(
        "Su S., Zhang C., Han K., Tian Y. (2018). Greedy hash: towards fast optimization for accurate hash coding in "
        "CNN. NeurIPS. (GreedyHash)"
    ),
    "csq": Citation(
        "Yuan L., Wang T., Zhang X., Tay F. E. H., Jie Z., Liu W., Feng J. (2020). Central similarity quantization for "
        "efficient image and video retrieval. CVPR. (CSQ)",
        "https://arxiv.org/abs/1908.00347",
    ),
    "dsh": Citation(
        "Liu H., Wang R., Shan S., Chen X. (2016). Deep supervised hashing for fast image retrieval. CVPR. (DSH)"
    ),
    "dhn": Citation(
        "Zhu H., Long M., Wang J., Cao Y. (2016). Deep hashing network for efficient similarity retrieval. AAAI. (DHN)"
    ),
    "idhn": Citation(
        "Zhang Z., Zou Q., Lin Y., Chen L., Wang S. (2020). Improved deep hashing with soft pairwise similarity for "
        "multi-label image retrieval. IEEE Transactions on Multimedia 22(2). (IDHN)",
        "https://arxiv.org/abs/1803.02987",
    ),
    "triplet": Citation(
        "Hermans A., Beyer L., Leibe B. (2017). In defense of the triplet loss for person re-identification. "
        "(hard triplets)",
        "https://arxiv.org/abs/1703.07737",
    ),
    "multi-similarity": Citation(
        "Wang X., Han X., Huang W., Dong D., Scott M. R. (2019). Multi-similarity loss with general pair weighting for "
        "deep metric learning. CVPR."
    ),
    "proxy-anchor": Citation(
        "Kim S., Kim D., Cho M., Kwak S. (2020). Proxy anchor loss for deep metric learning. CVPR.",
        "https://arxiv.org/abs/2003.13911",
    ),
}
"""By the method's name."""

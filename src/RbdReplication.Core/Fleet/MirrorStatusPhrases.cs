using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>
/// What mirror daemons say in the words of a status only: no number of it tells. The words are the same in 16.2, 18.2 and 20.2.
/// </summary>
public static class MirrorStatusPhrases
{
    private const string PrimaryWords = "local image is primary";
    private const string NobodyWords = "remote image";
    private const string CopiedWords = "remote image demoted";
    private const string SplitBrainWords = "split-brain";
    private const string AttemptWords = "starting replay";
    private const string ForcePromotingWords = "force promoting";
    private const string NoReportWords = "status not found";

    extension(MirrorSiteStatus report)
    {
        /// <summary>Whether the image is primary at the reporting site.</summary>
        public bool SaysPrimary => report.State == MirrorStatusState.Stopped && report.Starts(PrimaryWords);

        /// <summary>Whether the image is primary neither at the reporting site nor at the one that it follows.</summary>
        public bool SaysNobodyIsPrimary => report.State == MirrorStatusState.Unknown && report.Starts(NobodyWords);

        /// <summary>
        /// Whether the reporting site has copied all snapshots of a site that was demoted. A daemon that starts on a demoted image
        /// says "remote image is not primary" instead, whether or not it has.
        /// </summary>
        public bool SaysDemotionIsCopied => report.State == MirrorStatusState.Unknown && report.Starts(CopiedWords);

        /// <summary>Whether the reporting site's history has parted from that of the primary; 16.2 says more in journal mode.</summary>
        public bool SaysSplitBrain => report.State == MirrorStatusState.Error && report.Starts(SplitBrainWords);

        /// <summary>
        /// Whether the reporting site has failed and is trying again. It reports the error meanwhile, with the words of the attempt: nothing
        /// is found yet, and a split-brain is none the less one (16.2 on a slow machine with short timers: nine of ten errors).
        /// </summary>
        public bool IsTryingAgain => report.State == MirrorStatusState.Error && report.Starts(AttemptWords);

        /// <summary>
        /// Whether a forced promotion was begun. A daemon says so from then until it reaches the peer's cluster again (16.2), whether or not
        /// the promotion has ended.
        /// </summary>
        public bool SaysForcePromoting => report.Description.Contains(ForcePromotingWords, StringComparison.Ordinal);

        /// <summary>Whether nobody has reported this: librbd says so where it has found no report.</summary>
        public bool IsMadeUp => report.LastUpdate <= DateTimeOffset.UnixEpoch || report.Starts(NoReportWords);

        private bool Starts(string words) => report.Description.StartsWith(words, StringComparison.Ordinal);
    }
}

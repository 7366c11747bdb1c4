using RbdReplication.Ceph;

namespace RbdReplication.Core;

/// <summary>A failure with a meaning. Its message is for people: what, which volume, which site, what to do next; never a secret.</summary>
public sealed class ReplicationException : Exception
{
    /// <summary>Describes a failure.</summary>
    public ReplicationException(ReplicationError error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>What the caller can do about it.</summary>
    public ReplicationError Error { get; }

    /// <summary>
    /// Gives a failed Ceph call its meaning: the only place where error numbers are interpreted for callers.
    /// </summary>
    /// <param name="failure">The failed call.</param>
    /// <param name="doing">What was being done, to follow "cannot": for example <c>demote replicapool/csi-vol-1 of volume …</c>.</param>
    /// <param name="wasFound">
    /// Whether the image had been opened: what is missing then was changed meanwhile, and the next call tells whether the image is gone.
    /// </param>
    public static ReplicationException From(CephException failure, string doing, bool wasFound = false)
    {
        var isMissing = wasFound && failure.Errno == Errno.ENOENT;
        var error = failure.Function == "rados_connect" ? ClassifyConnect(failure.Errno)
            : isMissing || IsOvertaken(failure) ? ReplicationError.Busy
            : Classify(failure.Errno);
        return new ReplicationException(error, $"cannot {doing}: {Explain(failure)}{(isMissing ? "; it was there a moment ago, retry" : "")}", failure);
    }

    // State and role were looked at before, and releases differ in how they say that an image does not have them: of what is not
    // mirrored 16.2 and 18.2 say ENOENT where 20.2 says EINVAL. NotFound would make the controller forget the volume. EEXIST: the mirror daemon
    // has entered a tag in the image's journal at the same moment.
    private static bool IsOvertaken(CephException failure) =>
        failure.Errno is Errno.ENOENT or Errno.EINVAL && failure.Function.Contains("mirror_image_", StringComparison.Ordinal)
        && !failure.Function.EndsWith("_list", StringComparison.Ordinal)
        || failure.Errno == Errno.EEXIST && failure.Function.EndsWith("mirror_image_promote", StringComparison.Ordinal);

    private static ReplicationError Classify(Errno errno) => errno switch
    {
        Errno.ENOENT => ReplicationError.NotFound,
        Errno.EPERM or Errno.EACCES => ReplicationError.AccessDenied,
        Errno.ETIMEDOUT or Errno.ENOTCONN or Errno.ESHUTDOWN or Errno.EAGAIN or Errno.EOPNOTSUPP or Errno.EDQUOT or Errno.ENOSPC => ReplicationError.Unavailable,
        Errno.EBUSY or Errno.EROFS => ReplicationError.Busy,
        Errno.EEXIST or Errno.ENOTEMPTY => ReplicationError.FailedPrecondition,
        _ => ReplicationError.Unexpected,
    };

    // A connection looks nothing up but the user, and EIO stands for a key that librados cannot read.
    private static ReplicationError ClassifyConnect(Errno errno) => errno switch
    {
        Errno.ENOENT or Errno.EPERM or Errno.EACCES or Errno.EIO => ReplicationError.AccessDenied,
        _ => ReplicationError.Unavailable,
    };

    private static string Explain(CephException failure)
    {
        var meaning = failure.Errno switch
        {
            Errno.ENOENT or Errno.EIO when failure.Function == "rados_connect" => "the Ceph user is unknown or its key is of a kind that this client does not know",
            Errno.EINVAL when failure.Function == "rados_connect" => "the monitor addresses in the cluster configuration cannot be used",
            _ when IsOvertaken(failure) => "somebody else has changed its mirroring just now; retry",
            Errno.ENOENT => "it does not exist",
            Errno.EPERM or Errno.EACCES => "the Ceph user is unknown, its key is wrong or its capabilities do not allow it",
            Errno.ETIMEDOUT => "the cluster did not answer in time",
            Errno.ENOTCONN => "the connection to the cluster is lost",
            Errno.ESHUTDOWN => "this client was blocklisted by the cluster; the next call connects again",
            Errno.EDQUOT when failure.Function.Contains("snap", StringComparison.Ordinal) => "the image has as many snapshots as it may have (rbd snap limit), or the pool has reached its quota; remove some, or raise the limit",
            Errno.EDQUOT => "the pool has reached its quota; raise it (ceph osd pool set-quota) or free some room",
            Errno.ENOSPC => "the pool is full, because an OSD is; see ceph health detail, and add or free some room",
            Errno.EAGAIN or Errno.EOPNOTSUPP => "the manager's module is not ready yet",
            Errno.EBUSY => "it is in use",
            Errno.EROFS => "it is read-only at this site or locked by another client",
            Errno.EEXIST => "it exists already",
            Errno.ENOTEMPTY => "it still has snapshots",
            _ => $"Ceph answered {failure.Errno}",
        };
        var detail = string.IsNullOrEmpty(failure.Detail) ? "" : $" ({failure.Detail.Trim()})";
        return $"{meaning} [{failure.Function}: {failure.Errno}]{detail}";
    }
}

namespace RbdReplication.Core;

/// <summary>
/// What went wrong, in terms of what the caller can do about it. The gRPC layer turns each into one status code; the
/// controller branches on those, so a wrong choice here changes what happens to data.
/// </summary>
public enum ReplicationError
{
    /// <summary>The request is malformed or asks for something unsupported; repeating it changes nothing.</summary>
    InvalidArgument,

    /// <summary>The image or its journal entry is known to be gone. On disable the controller forgets the volume then.</summary>
    NotFound,

    /// <summary>The configuration lacks a cluster, a pool number or a mapping, or contradicts itself; the message says what to configure.</summary>
    NotConfigured,

    /// <summary>The credentials are wrong or do not allow it.</summary>
    AccessDenied,

    /// <summary>
    /// The image is not in the state that the call needs. On promote this makes the controller repeat the call with force
    /// at once: it is used there only where forcing is right or changes nothing.
    /// </summary>
    FailedPrecondition,

    /// <summary>There is something of that name which is not what is asked for.</summary>
    AlreadyExists,

    /// <summary>More is asked for than there can be.</summary>
    TooMany,

    /// <summary>Something is under way that the call has to wait for; a plain retry is right.</summary>
    Busy,

    /// <summary>Something that the call needs, Ceph, the peer or this server, is not available now; a later retry may succeed.</summary>
    Unavailable,

    /// <summary>Time ran out; what was started may still be running.</summary>
    TimedOut,

    /// <summary>The image mixes blocks of two points in time and must not be used; only a person can decide what to do with it.</summary>
    Damaged,

    /// <summary>Not implemented.</summary>
    Unimplemented,

    /// <summary>A state or an error number that this program does not expect.</summary>
    Unexpected,
}

"""Routes of the caller's own account."""

from litestar import Response, delete, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from services.auth.handlers.accounts import AccountHandlers
from services.auth.http.bodies import Confirmation, EmailBody, Me, MeBody, PasswordBody, password_of
from services.auth.http.callers import AnyRequest, Sites
from services.auth.http.sessions import unstored
from services.auth.ports import Account, Caller
from shared.http.envelope import Message, Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER

Accounts = NamedDependency[AccountHandlers]
CurrentUser = NamedDependency[Principal]
Client = NamedDependency[Caller]


@get("/me", summary="My account", tags=["users"], security=BEARER)
async def my_account(accounts: Accounts, me: CurrentUser) -> Response[Success[Me]]:
    return unstored(_me(await accounts.account(me.user_id)))


@patch("/me", summary="Change my account", tags=["users"], security=BEARER)
async def change_account(
    data: JSONBody[MeBody], accounts: Accounts, me: CurrentUser
) -> Response[Success[Me]]:
    """The visibility that my uploads have if they say none."""
    return unstored(_me(await accounts.change_default_visibility(me, data.default_visibility)))


@patch("/email", summary="Change my e-mail address", tags=["users"], security=BEARER)
async def change_email(
    data: JSONBody[EmailBody], accounts: Accounts, me: CurrentUser, caller: Client
) -> Success[Me]:
    """409 where the address belongs to another account.

    403 with `reauthentication_required` where the login is older than 5 minutes and the body has no
    password.
    """
    account = await accounts.change_email(me, data.email, password_of(data), caller)
    return Success(data=_me(account))


@patch("/password", summary="Change my password", tags=["users"], security=BEARER)
async def change_password(
    data: JSONBody[PasswordBody], accounts: Accounts, me: CurrentUser, caller: Client
) -> Success[Message]:
    """Ends all other sessions. 400 also for a wrong current password."""
    await accounts.change_password(me, data.current_password, data.new_password, caller)
    return Success(data=Message(message="Your password is changed."))


@delete(
    "/{user_id:str}", status_code=200, summary="Delete my account", tags=["users"], security=BEARER
)
async def delete_account(
    request: AnyRequest,
    *,
    accounts: Accounts,
    me: CurrentUser,
    caller: Client,
    sites: NamedDependency[Sites],
    user_id: FromPath[str],
    data: JSONBody[Confirmation | None] = None,
) -> Response[Success[Message]]:
    """Erases the account, ends its sessions and removes its videos. 403 for another's account.

    403 with `reauthentication_required` where the login is older than 5 minutes and the body has no
    password.
    """
    await accounts.delete(me, user_id, password_of(data), caller)
    message = Message(message="Your account is deleted.")
    return Response(Success(data=message), cookies=[sites.no_refresh_cookie(request)])


def _me(account: Account) -> Me:
    return Me(
        id=account.user_id,
        username=account.username,
        email=account.email,
        created_at=account.created_at,
        default_visibility=account.default_visibility,
    )
